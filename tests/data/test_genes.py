"""Genes: every coding part is where biology says it must be."""

from itertools import pairwise

import numpy as np
import pytest

from seqmodels.data.read.gene_cuts import AROUND, cut_genes
from seqmodels.data.read.genes import CODING
from seqmodels.data.read.open import read_table
from seqmodels.data.sources.genes import ALLOWED, LETTERS, STRUCTURE, TEST, TRAIN, GeneStructureSource, make_spec

STOPS = {"TAA", "TAG", "TGA"}
SPEC = make_spec()


@pytest.fixture(scope="module")
def splits():
    return GeneStructureSource(max_length=5000).splits()


def reverse_complement(letters: str) -> str:
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))


def genes(split) -> list[tuple[str, np.ndarray]]:
    reads = [split.read(i, 0, int(n)) for i, n in enumerate(split.lengths)]
    return [("".join(np.array(LETTERS)[inputs]), targets) for inputs, targets in reads]


def test_coding_parts_make_proteins(splits):
    checked = 0
    for split in splits.values():
        for letters, tags in genes(split):
            coding = "".join(np.array(list(letters))[tags == 1])
            codons = [coding[i : i + 3] for i in range(0, len(coding), 3)]
            assert codons[0] == "ATG"
            assert len(coding) % 3 == 0
            assert not STOPS & set(codons)
            checked += 1
    assert checked == 378 + 80


def test_introns_and_the_end_have_their_signals(splits):
    """Introns begin with GT (rarely GC) and end with AG; the stop codon comes right after the last coding part."""
    introns = []
    for letters, tags in genes(splits["test"]):
        edges = np.flatnonzero(np.diff(tags)) + 1
        for end, start in zip(edges[1::2], edges[2::2], strict=False):
            introns.append((letters[end : end + 2], letters[start - 2 : start]))
        assert letters[edges[-1] : edges[-1] + 3] in STOPS
    assert {ending for _, ending in introns} == {"AG"}
    assert np.mean([start == "GT" for start, _ in introns]) > 0.97


def test_every_gene_can_be_read():
    whole = GeneStructureSource(max_length=None).splits()
    assert sum(map(len, whole.values())) == 586
    assert len(whole["test"]) == 100
    assert max(int(part.lengths.max()) for part in whole.values()) == 118_333


def test_no_gene_is_in_two_splits(splits):
    found = [{letters for letters, _ in genes(split)} for split in splits.values()]
    assert sum(map(len, found)) == len(set().union(*found)) == 378 + 80 - 1  # one is there twice, on one side
    assert abs(len(splits["val"]) - 37.8) < 2


def test_the_length_is_held_and_the_seed_decides():
    short, other = (GeneStructureSource(max_length=1200, seed=seed).splits() for seed in (0, 1))
    assert max(int(part.lengths.max()) for part in short.values()) <= 1200
    assert not np.array_equal(short["train"].lengths, other["train"].lengths)
    assert np.array_equal(short["test"].lengths, other["test"].lengths)
    with pytest.raises(ValueError, match=r"data.max_length=100 leaves no gene of .*, the shortest of which"):
        GeneStructureSource(max_length=100).splits()
    with pytest.raises(ValueError, match=r"data.max_length must be a whole number of at least 1, or null, got 0"):
        GeneStructureSource(max_length=0)


def test_the_test_genes_are_not_among_the_training_genes():
    train, test = (set(read_table(path).columns["sequence"]) for path in (TRAIN, TEST))
    assert not train & test


def write(tmp_path, text: str, name: str = "new.tsv") -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def test_new_genes_from_a_table(tmp_path):
    path = write(tmp_path, f"sequence\t{CODING}\nACGTACGTAC\t2-4;7-8\nacgun\t\n")
    new = GeneStructureSource.open(path, SPEC)
    assert genes(new)[0][0] == "ACGTACGTAC"
    assert [tags.tolist() for _, tags in genes(new)] == [[0, 1, 1, 1, 0, 0, 1, 1, 0, 0], [0] * 5]
    assert genes(new)[1][0] == "ACGTN"
    assert not genes(GeneStructureSource.open(path, SPEC, targets=False))[0][1].any()


def test_new_genes_from_fasta(tmp_path):
    path = write(tmp_path, ">one gene\nACGT\nNNRY\n>two\nGG\n", "new.fa")
    assert [letters for letters, _ in genes(GeneStructureSource.open(path, SPEC))] == ["ACGTNNNN", "GG"]
    with pytest.raises(ValueError, match="has no column 'cds_1based_inclusive'"):
        GeneStructureSource.open(path, SPEC, targets=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"sequence\t{CODING}\nACGT\t1-4\nACXT\t1-2\n", r"line 3: expected letters of DNA, got 'X' at place 3"),
        ("sequence\nACGT\nAéGT\n", r"line 3: expected letters of DNA, got 'é' at place 2"),
        (f"sequence\t{CODING}\nACGT\t1-5\n", r"line 2, .*expected parts of a sequence of 4 letters, .*got '1-5'"),
        (f"sequence\t{CODING}\nACGT\t0-2\n", "got '0-2'"),
        (f"sequence\t{CODING}\nACGT\t3-2\n", "got '3-2'"),
        (f"sequence\t{CODING}\nACGT\tall\n", "got 'all'"),
        ("letters\tx\nACGT\t1\n", "has no column 'sequence'"),
        (">one\n\n>two\nAC\n", "line 1: the sequence is empty"),
    ],
)
def test_what_is_no_gene_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        GeneStructureSource.open(write(tmp_path, text), SPEC)


def test_it_says_what_fits():
    source = GeneStructureSource()
    assert source.suggest() == {"task": "tagging", "head": "many_to_many", "training.batch_size": "8"}
    assert source.describe() == (
        "genes of Drosophila of at most 3000 letters (229 train, 25 val, 56 test), each letter coding or not"
    )


def test_the_structure_of_every_gene_keeps_the_grammar():
    for split in GeneStructureSource(labels="structure", max_length=5000).splits().values():
        for i, n in enumerate(split.lengths):
            tags = split.read(i, 0, int(n))[1]
            assert {STRUCTURE[tag] for tag in tags[[0, -1]]} <= {"upstream", "downstream", "exon 0", "exon 2"}
            assert all(pair in ALLOWED["structure"] for pair in set(pairwise(tags.tolist())))


def test_structure_and_coding_say_the_same():
    splits = [
        GeneStructureSource(labels=labels, max_length=1500).splits()["test"] for labels in ("coding", "structure")
    ]
    exons = [STRUCTURE.index(f"exon {k}") for k in range(3)]
    for i, n in enumerate(splits[0].lengths):
        coding, tags = (split.read(i, 0, int(n))[1] for split in splits)
        assert np.array_equal(coding == 1, np.isin(tags, exons))
        assert np.array_equal(tags[coding == 1], exons[0] + np.arange(coding.sum()) % 3)


def test_an_input_of_several_letters_is_the_letter_between_its_neighbours():
    single, joined = (GeneStructureSource(kmer=k, max_length=1000).splits()["val"] for k in (1, 5))
    unit = joined.spec.text.unit
    for i, n in enumerate(single.lengths):
        letters, inputs = single.read(i, 0, int(n))[0], joined.read(i, 0, int(n))[0]
        assert np.array_equal(inputs // unit % 5, letters)
        padded = np.pad(letters, 2, constant_values=LETTERS.index("N"))
        assert [int(x) for x in np.base_repr(inputs[7], 5).zfill(5)] == padded[7:12].tolist()


GENBANK = """LOCUS       {name}                 30 bp    DNA     linear   INV 01-JAN-2000
DEFINITION  a gene.
FEATURES             Location/Qualifiers
     source          1..30
     CDS             {place}
ORIGIN
        1 acgtacgtac ggggcccccc aaaaattttt
//
"""


def test_genbank_features_are_tags_read_from_their_own_strand(tmp_path):
    text = GENBANK.format(name="plus", place="join(3..5,9..11)") + GENBANK.format(
        name="minus", place="complement(3..8)"
    )
    path = write(tmp_path, text, "genes.gb")
    new = GeneStructureSource.open(path, SPEC, targets=True)
    (plus, tags), (minus, other) = genes(new)
    assert plus == "ACGTACGTACGGGGCCCCCCAAAAATTTTT"
    assert (np.flatnonzero(tags) + 1).tolist() == [3, 4, 5, 9, 10, 11]
    assert minus == "AAAAATTTTTGGGGGGCCCCGTACGTACGT"
    assert (np.flatnonzero(other) + 1).tolist() == [23, 24, 25, 26, 27, 28]
    assert [origin["name"] for origin in new.origins] == ["plus", "minus"]
    splits = GeneStructureSource(path=path, val_fraction=0.0, test_fraction=0.5).splits()
    assert {name: len(part) for name, part in splits.items()} == {"train": 1, "test": 1}
    with pytest.raises(ValueError, match=r"genes.gb: none of its 2 records has a feature 'exon': set data.feature"):
        GeneStructureSource.open(path, SPEC, targets=True, feature="exon")


def test_a_record_with_genes_on_both_strands_is_cut_into_them(tmp_path):
    both = GENBANK.format(name="both", place="3..5").replace(
        "ORIGIN", "     CDS             complement(join(9..10,13..18))\n     CDS             complement(9..20)\nORIGIN"
    )
    path = write(tmp_path, both, "both.gb")
    new = GeneStructureSource.open(path, SPEC, targets=True)
    (one, tags), (other, others) = genes(new)
    assert one == "ACGTAC"  # half of the three letters between the genes
    assert (np.flatnonzero(tags) + 1).tolist() == [3, 4, 5]
    assert other == reverse_complement("TACGGGGCCCCCCAAAAATTTTT")
    assert "".join(np.array(list(other))[others == 1]) == reverse_complement("ACGGGGCCCCCC")
    source = GeneStructureSource(path=path, val_fraction=0.0, test_fraction=0.5)
    source.splits()
    assert source.notes == [
        "both has CDS features on both strands: 2 genes cut out of it, 1 left out that overlap another or lie on two "
        "strands"
    ]


def test_genes_of_a_chromosome_are_what_they_are_in_it():
    rng = np.random.default_rng(0)
    for _ in range(200):
        length = int(rng.integers(30, 3000))
        places = []
        for _ in range(rng.integers(1, 8)):
            marks = np.sort(rng.choice(length + 1, size=2 * int(rng.integers(1, 4)), replace=False)).tolist()
            places.append((int(rng.choice([1, -1])), list(zip(marks[::2], marks[1::2], strict=True))))
        record = rng.integers(0, 4, length)
        found = cut_genes(places, length)
        coding = np.zeros(length, bool)
        for gene in found:
            for a, b in gene.coding:
                coding[gene.stop - b : gene.stop - a] |= gene.reverse
                coding[gene.start + a : gene.start + b] |= not gene.reverse
        wanted = {(strand < 0, tuple(record[a:b].tobytes() for a, b in spans)) for strand, spans in places}
        for gene in found:
            cut = record[gene.start : gene.stop]
            own = [cut[::-1][a:b][::-1] if gene.reverse else cut[a:b] for a, b in gene.coding]
            parts = own[::-1] if gene.reverse else own
            assert (gene.reverse, tuple(part.tobytes() for part in parts)) in wanted
            first, last = gene.coding[0][0], gene.stop - gene.start - gene.coding[-1][1]
            assert 0 <= first <= AROUND
            assert 0 <= last <= AROUND
            before, after = (last, first) if gene.reverse else (first, last)
            around = [*range(gene.start, gene.start + before), *range(gene.stop - after, gene.stop)]
            assert not coding[around].any()  # what lies around a gene belongs to no other


def test_letters_that_are_none_are_found_in_their_line(tmp_path):
    path = write(tmp_path, ">one\nACGT\nAC\n>two\nACGT\nACZ\n", "bad.fa")
    with pytest.raises(ValueError, match=r"bad.fa, line 6: expected letters of DNA, got 'Z' at place 3"):
        GeneStructureSource.open(path, SPEC)
