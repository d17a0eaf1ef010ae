/* A whole sequence, forward and backward: the recurrent product step by step, and around it the
 * generated functions of one row. B rows, T steps, H units, G blocks of the recurrent product.
 *
 * Memory: every block of H units is padded to a multiple of LANES ("padded"), sequences are time
 * first, (T, B, blocks * padded). The recurrent weights are packed into panels, in which the blocks of
 * UNITS units lie side by side, so that a tile of TILE_ROWS rows by one panel stays in registers
 * while it runs through all of k.
 *
 * Threads either share the rows, each running all steps of its own without waiting for another, or, where
 * the weights are too large for one core's cache, the units, with a barrier at each step.
 */
#include <omp.h>

#define BACKWARD_VECTORS 4 /* units of a panel in backward, in vectors */
#define TILE_ROWS_MAX 8
#define ROWS_OF(vectors) (ACCUMULATORS / (vectors) > TILE_ROWS_MAX ? TILE_ROWS_MAX : ACCUMULATORS / (vectors) < 1 ? 1 : ACCUMULATORS / (vectors))
#define TILE_VECTORS (GATES * UNITS > BACKWARD_VECTORS ? GATES * UNITS : BACKWARD_VECTORS)
#define TILE_NUMBERS (TILE_ROWS_MAX * TILE_VECTORS * LANES)

long lanes(void) { return LANES; }

INLINE long least(long a, long b) { return a < b ? a : b; }

#if GATES
/* The k's that the units from c0 to c1 see: those of their heads. */
INLINE void seen(const struct problem *p, long c0, long c1, long *k0, long *k1) {
  *k0 = c0 / p->head * p->head;
  *k1 = least(p->units, (least(c1, p->units) - 1) / p->head * p->head + p->head);
}

/* One panel of weights (GATES * units, depth), of which unit c reads the k's from `start` on: for each k from k0
 * to k1, GATES blocks of UNITS vectors. */
INLINE void pack_panel(const struct problem *p, const real *weights, long depth, long head, long panel, long k0,
                       long k1, real *out) {
  long width = UNITS * LANES, c0 = panel * width;
  memset(out, 0, (k1 - k0) * GATES * width * sizeof(real));
  for (long g = 0; g < GATES; g++)
    for (long c = c0; c < least(c0 + width, p->units); c++) {
      const real *weight = weights + (g * p->units + c) * depth;
      real *to = out + (c / head * head - k0) * GATES * width + g * width + c - c0;
      for (long k = 0; k < depth; k++) to[k * GATES * width] = weight[k];
    }
}

static void pack_forward(const struct problem *p, long panel) {
  long width = UNITS * LANES, k0, k1;
  seen(p, panel * width, panel * width + width, &k0, &k1);
  pack_panel(p, p->weight, p->head, p->head, panel, k0, k1, p->packed + panel * p->panel_rows * GATES * width);
  if (p->features)
    pack_panel(p, p->input_weight, p->features, p->units, panel, 0, p->features,
               p->packed_input + panel * p->features * GATES * width);
}

/* The same weights for the way back: for each gate and unit in reach, BACKWARD_VECTORS vectors of columns. */
static void pack_backward(const struct problem *p, long panel) {
  long width = BACKWARD_VECTORS * LANES, c0 = panel * width, k0, k1;
  real *out = p->packed + panel * p->panel_rows * GATES * width;
  seen(p, c0, c0 + width, &k0, &k1);
  for (long g = 0; g < GATES; g++)
    for (long k = k0; k < k1; k++, out += width) {
      long start = k / p->head * p->head, from = start > c0 ? start : c0, to = least(start + p->head, c0 + width);
      const real *weight = p->weight + (g * p->units + k) * p->head - start;
      memset(out, 0, width * sizeof(real));
      for (long c = from; c < to; c++) out[c - c0] = weight[c];
    }
}

/* rows x vectors numbers of a product: out = sum over segments and k of input[row][segment * stride + k] * panel[...]. */
#define FEW(rows, vectors) ((rows) * (vectors) <= 2 ? 4 : (rows) * (vectors) <= 4 ? 2 : 1)
INLINE void tile(const real *const *inputs, const int rows, const int vectors, const real *panel, long segments,
                 long stride, long k0, long k1, real *out) {
  const int copies = FEW(rows, vectors); /* parallel sums that hide the latency of one */
  vec sum[4][TILE_ROWS_MAX][TILE_VECTORS];
#pragma GCC unroll 4
  for (int c = 0; c < copies; c++)
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 32
      for (int n = 0; n < vectors; n++) sum[c][i][n] = splat(0);
  for (long s = 0; s < segments; s++) {
    long base = s * stride, k = k0;
    for (; k + copies <= k1; k += copies)
#pragma GCC unroll 4
      for (int c = 0; c < copies; c++, panel += vectors * LANES) {
        vec w[TILE_VECTORS];
#pragma GCC unroll 32
        for (int n = 0; n < vectors; n++) w[n] = load(panel + n * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
          vec x = splat(inputs[i][base + k + c]);
#pragma GCC unroll 32
          for (int n = 0; n < vectors; n++) sum[c][i][n] += x * w[n];
        }
      }
    for (; k < k1; k++, panel += vectors * LANES)
#pragma GCC unroll 8
      for (int i = 0; i < rows; i++)
#pragma GCC unroll 32
        for (int n = 0; n < vectors; n++) sum[0][i][n] += splat(inputs[i][base + k]) * load(panel + n * LANES);
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 32
    for (int n = 0; n < vectors; n++) {
      vec total = sum[0][i][n];
#pragma GCC unroll 4
      for (int c = 1; c < copies; c++) total += sum[c][i][n];
      store(out + (i * vectors + n) * LANES, total);
    }
}

#define TILES(name, vectors)                                                                                         \
  static __attribute__((noinline)) void name(const real *const *inputs, int rows, const real *panel, long segments, \
                                             long stride, long k0, long k1, real *out) {                            \
    switch (rows) {                                                                                                 \
      case 1: tile(inputs, 1, vectors, panel, segments, stride, k0, k1, out); break;                                \
      case 2: tile(inputs, least(2, ROWS_OF(vectors)), vectors, panel, segments, stride, k0, k1, out); break;       \
      case 3: tile(inputs, least(3, ROWS_OF(vectors)), vectors, panel, segments, stride, k0, k1, out); break;       \
      case 4: tile(inputs, least(4, ROWS_OF(vectors)), vectors, panel, segments, stride, k0, k1, out); break;       \
      case 5: tile(inputs, least(5, ROWS_OF(vectors)), vectors, panel, segments, stride, k0, k1, out); break;       \
      case 6: tile(inputs, least(6, ROWS_OF(vectors)), vectors, panel, segments, stride, k0, k1, out); break;       \
      case 7: tile(inputs, least(7, ROWS_OF(vectors)), vectors, panel, segments, stride, k0, k1, out); break;       \
      default: tile(inputs, ROWS_OF(vectors), vectors, panel, segments, stride, k0, k1, out);                       \
    }                                                                                                               \
  }
TILES(forward_tile, GATES * UNITS)
TILES(backward_tile, BACKWARD_VECTORS)
#endif

/* What one thread works on: some rows, all units; or all rows, some units. */
struct share {
  long id, count; /* this thread, number of threads */
  long first, step, total; /* its rows are order[first], order[first + step] ..., `total` of them, longest first */
  long unit0, unit1; /* its units, padded */
};

static struct share make_share(const struct problem *p, long id, long count) {
  struct share s = {id, count, id, count, (p->rows - id + count - 1) / count, 0, p->padded};
  if (p->by_units) {
    long width = BACKWARD_VECTORS * LANES, panels = (p->padded + width - 1) / width;
    s.first = 0, s.step = 1, s.total = p->rows;
    s.unit0 = panels * id / count * width;
    s.unit1 = least(p->padded, panels * (id + 1) / count * width);
  }
  return s;
}

INLINE long row_of(const struct problem *p, const struct share *s, long i) {
  long at = s->first + i * s->step;
  return p->order ? p->order[at] : at;
}
INLINE long length_of(const struct problem *p, long row) { return p->lengths ? p->lengths[row] : p->steps; }
INLINE void wait_for_all(const struct problem *p) {
  if (p->by_units) {
#pragma omp barrier
  }
}

/* Where the state before step t of a row lies: after the step before, or where a fresh start lies. */
INLINE const real *state_before(const struct problem *p, long field, long t, long row) {
  if (p->reset && p->reset[t * p->rows + row]) return p->fresh + field * p->padded;
  return p->states[field] + t * p->state_step[field] + row * p->padded;
}
INLINE real *state_after(const struct problem *p, long field, long t, long row) {
  return p->states[field] + (t + 1) * p->state_step[field] + row * p->padded;
}

INLINE struct row at_row(const struct problem *p, const struct share *s, long t, long row) {
  struct row here = {.row = row, .id = s->id};
  here.u = p->u + t * p->u_step + row * p->u_row;
  here.u_block = p->padded;
  here.noise = p->noise + t * p->noise_step + row * p->noise_row;
  here.kept = p->kept + (t * p->rows + row) * p->kept_row;
  here.extra = p->extra + (t * p->rows + row) * KEPT_EXTRA * p->padded;
  here.numbers = p->kept_numbers + (t * p->rows + row) * KEPT_NUMBERS;
  for (long f = 0; f < FIELDS; f++) here.before[f] = state_before(p, f, t, row), here.after[f] = state_after(p, f, t, row);
  return here;
}

#if GATES
#if PLAIN_INPUT
INLINE const real *product_input(const struct problem *p, long t, long row) { return state_before(p, 0, t, row); }
#else
INLINE const real *product_input(const struct problem *p, long t, long row) {
  return p->inputs + t * p->input_step + row * p->padded;
}
#endif

/* Ask for a piece of the next step's input while this product is computed; pieces of all panels make up the row. */
INLINE void prefetch_input(const struct problem *p, long t, long row, long panel) {
  const real *piece = p->u + (t + 1) * p->u_step + row * p->u_row + panel * INPUTS * UNITS * LANES;
  if (t + 1 < p->steps)
#pragma GCC unroll 8
    for (long at = 0; at < INPUTS * UNITS * LANES; at += 64 / sizeof(real)) __builtin_prefetch(piece + at, 0, 2);
}

/* Rows i0 to i0 + rows of a share, through one panel of the recurrent product, and of the input product where
 * that is not made before. */
static void forward_panel(const struct problem *p, const struct share *s, long t, long i0, long rows, long panel,
                          real *out, real *input_out) {
  const real *inputs[TILE_ROWS_MAX], *features[TILE_ROWS_MAX];
  long width = UNITS * LANES, k0, k1;
  for (long i = 0; i < rows; i++) {
    long row = row_of(p, s, i0 + i);
    inputs[i] = product_input(p, t, row);
    features[i] = p->u + t * p->u_step + row * p->u_row;
    if (!p->features) prefetch_input(p, t, row, panel);
  }
  seen(p, panel * width, panel * width + width, &k0, &k1);
  if (p->features)
    forward_tile(features, rows, p->packed_input + panel * p->features * GATES * width, 1, 0, 0, p->features, input_out);
  forward_tile(inputs, rows, p->packed + panel * p->panel_rows * GATES * width, 1, 0, k0, k1, out);
}

/* The recurrent product of one step, and (where no sum over units is in the way) the step itself. */
static void forward_product(const struct problem *p, const struct share *s, long t, long active, int saving) {
  long width = UNITS * LANES, most = ROWS_OF(GATES * UNITS);
  real out[TILE_NUMBERS], input_out[TILE_NUMBERS];
  for (long panel = s->unit0 / width; panel * width < s->unit1; panel++)
    for (long i0 = 0, tiles = (active + most - 1) / most; tiles > 0; tiles--) {
      long rows = (active - i0 + tiles - 1) / tiles;
      forward_panel(p, s, t, i0, rows, panel, out, input_out);
      for (long i = 0; i < rows; i++) {
        long row = row_of(p, s, i0 + i), j0 = panel * width, j1 = least(j0 + width, p->padded);
#if LEVELS > 1
        for (long g = 0; g < GATES; g++) {
          long to = (row * GATES + g) * p->padded + j0, from = (i * GATES + g) * width;
          memcpy(p->products + to, out + from, (j1 - j0) * sizeof(real));
          if (p->features) memcpy(p->input_products + to, input_out + from, (j1 - j0) * sizeof(real));
        }
#else
        struct row here = at_row(p, s, t, row);
        here.r = out + i * GATES * width - j0;
        here.r_block = width;
        if (p->features) here.u = input_out + i * GATES * width - j0, here.u_block = width;
        forward_row(p, &here, j0, j1, saving);
#endif
      }
      i0 += rows;
    }
}
#endif

static void forward_thread(const struct problem *p, long id, long count, const int saving) {
  struct share s = make_share(p, id, count);
#if GATES
  for (long panel = id; panel * UNITS * LANES < p->padded; panel += count) pack_forward(p, panel);
#pragma omp barrier
#endif
  long active = s.total;
  for (long t = 0; t < p->steps; t++) {
    for (; active > 0 && length_of(p, row_of(p, &s, active - 1)) <= t; active--) ;
    for (long i = active; i < s.total; i++)
      for (long f = 0; f < OUTPUTS; f++)
        memset(state_after(p, f, t, row_of(p, &s, i)) + s.unit0, 0, (s.unit1 - s.unit0) * sizeof(real));
#if GATES
#if !PLAIN_INPUT
    for (long i = 0; i < active; i++) {
      struct row here = at_row(p, &s, t, row_of(p, &s, i));
      here.input = (real *)product_input(p, t, here.row);
      input_row(p, &here, s.unit0, s.unit1);
    }
    wait_for_all(p);
#endif
    forward_product(p, &s, t, active, saving);
#endif
#if LEVELS > 1 || !GATES
    wait_for_all(p);
    long share = p->by_units ? count : 1;
    for (long i = p->by_units ? id : 0; i < active; i += share) {
      struct row here = at_row(p, &s, t, row_of(p, &s, i));
      here.r = p->products + here.row * GATES * p->padded;
      here.r_block = p->padded;
      if (p->features) here.u = p->input_products + here.row * GATES * p->padded;
      forward_row(p, &here, 0, p->padded, saving);
    }
#endif
    wait_for_all(p);
  }
}

void forward(const struct problem *p) {
  prepare(p);
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
  {
    if (p->saving)
      forward_thread(p, omp_get_thread_num(), omp_get_num_threads(), 1);
    else
      forward_thread(p, omp_get_thread_num(), omp_get_num_threads(), 0);
  }
}

#if GATES
/* The gradient that reaches the state before step t through the recurrent product. */
static void backward_product(const struct problem *p, const struct share *s, long t, long active) {
  long width = BACKWARD_VECTORS * LANES, most = ROWS_OF(BACKWARD_VECTORS), k0, k1;
  const real *inputs[TILE_ROWS_MAX];
  real out[TILE_NUMBERS];
  for (long panel = s->unit0 / width; panel * width < s->unit1; panel++) {
    seen(p, panel * width, panel * width + width, &k0, &k1);
    for (long i0 = 0, tiles = (active + most - 1) / most; tiles > 0; tiles--) {
      long rows = (active - i0 + tiles - 1) / tiles;
      for (long i = 0; i < rows; i++)
        inputs[i] = p->product_gradient + (t * p->rows + row_of(p, s, i0 + i)) * p->product_row;
      backward_tile(inputs, rows, p->packed + panel * p->panel_rows * GATES * width, GATES, p->padded, k0, k1, out);
      for (long i = 0; i < rows; i++) {
        struct row here = at_row(p, s, t, row_of(p, s, i0 + i));
        for (long f = 0; f < FIELDS; f++) here.carried[f] = p->carried + (f * p->rows + here.row) * p->padded;
        here.r = out + i * width - panel * width;
        input_backward_row(p, &here, panel * width, least(panel * width + width, p->padded));
      }
      i0 += rows;
    }
  }
}
#endif

static struct row backward_at(const struct problem *p, const struct share *s, long t, long row) {
  struct row here = at_row(p, s, t, row);
  for (long f = 0; f < FIELDS; f++) {
    here.carried[f] = p->carried + (f * p->rows + row) * p->padded;
    here.outside[f] = p->outside[f] ? p->outside[f] + t * p->outside_step[f] + row * p->outside_row[f] : p->zeros;
  }
  here.du = p->input_gradient + (t * p->rows + row) * p->kept_row;
  here.dr = p->product_gradient + (t * p->rows + row) * p->product_row;
  return here;
}

/* A row that started afresh at step t hands its gradient to the fresh state, and none further back. */
static void hand_over(const struct problem *p, const struct share *s, long row) {
  for (long f = 0; f < FIELDS; f++) {
    real *carried = p->carried + (f * p->rows + row) * p->padded;
    real *fresh = p->fresh_gradient + (s->id * FIELDS + f) * p->padded;
    for (long j = s->unit0; j < s->unit1; j++) fresh[j] += carried[j], carried[j] = 0;
  }
}

static void backward_thread(const struct problem *p, long id, long count) {
  struct share s = make_share(p, id, count);
  long active = 0, whole_rows = p->by_units && LEVELS_BACK > 1;
#if GATES
  for (long panel = id; panel * BACKWARD_VECTORS * LANES < p->padded; panel += count) pack_backward(p, panel);
#pragma omp barrier
#endif
  for (long t = p->steps - 1; t >= 0; t--) {
    for (; active < s.total && length_of(p, row_of(p, &s, active)) > t; active++) ;
    for (long i = whole_rows ? id : 0; i < s.total; i += whole_rows ? count : 1) {
      struct row here = backward_at(p, &s, t, row_of(p, &s, i));
      if (i < active)
        backward_row(p, &here, whole_rows ? 0 : s.unit0, whole_rows ? p->padded : s.unit1);
      else if (!p->by_units || whole_rows || id == 0) {
        memset(here.du, 0, INPUTS * p->padded * sizeof(real));
        if (GATES) memset(here.dr, 0, GATES * p->padded * sizeof(real));
      }
    }
    wait_for_all(p);
#if GATES
    if (t > 0 || p->state_gradient) backward_product(p, &s, t, active);
#endif
    if (p->reset)
      for (long i = 0; i < active; i++)
        if (p->reset[t * p->rows + row_of(p, &s, i)]) hand_over(p, &s, row_of(p, &s, i));
    if (LEVELS_BACK > 1) wait_for_all(p);
  }
}

void backward(const struct problem *p) {
  prepare(p);
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
  backward_thread(p, omp_get_thread_num(), omp_get_num_threads());
}

/* out = weight x, row by row: for one step, in which packing the weights would cost more than it gives. */
static void times(const real *weight, long rows, long k, const real *x, real *out) {
  long whole_vectors = k / LANES * LANES, i = 0;
  for (; i < rows; i++, weight += k) {
    vec sums[4] = {splat(0), splat(0), splat(0), splat(0)};
    long at = 0;
    for (; at + 4 * LANES <= whole_vectors; at += 4 * LANES)
#pragma GCC unroll 4
      for (int c = 0; c < 4; c++) sums[c] += load(weight + at + c * LANES) * load(x + at + c * LANES);
    for (; at < whole_vectors; at += LANES) sums[0] += load(weight + at) * load(x + at);
    real total = v_total((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; at < k; at++) total += weight[at] * x[at];
    out[i] = total;
  }
}

/* One step of one row, H a multiple of LANES: from the state at states[f] to that at states[f] + state_step[f]. */
void single(const struct problem *p) {
  struct share s = {0, 1, 0, 1, 1, 0, p->padded};
  real r[(GATES ? GATES : 1) * p->padded], u[INPUTS * p->padded];
  struct row here = at_row(p, &s, 0, 0);
  here.r = r;
  here.r_block = p->padded;
  if (p->input_weight) {
    times(p->input_weight, INPUTS * p->units, p->features, p->u, u);
    here.u = u;
  }
#if GATES
  times(p->weight, GATES * p->units, p->units, here.before[0], r);
#endif
  forward_row(p, &here, 0, p->padded, 0);
}
