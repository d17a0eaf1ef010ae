"""Pictures of forecasts: nothing of them lies outside."""

import numpy as np
import pytest
import torch

from seqmodels.tasks.plots.fan import Fan, fan_figure
from seqmodels.tasks.plots.windows import Window, forecast_figure


def legend_lies_inside(figure) -> bool:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    inner, outer = figure.legends[0].get_window_extent(), figure.bbox
    return outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0


@pytest.mark.parametrize("panels", [1, 2, 4])
@pytest.mark.parametrize("bands", [0, 1, 4])
def test_the_legend_lies_inside_the_picture(panels, bands):
    levels = sorted({0.5} | {side for band in range(bands) for side in (0.1 * (band + 1), 1 - 0.1 * (band + 1))})
    row = {"forecast": 1.0} | {f"quantile_{level:g}": level for level in levels if bands}
    fan = Fan("a", np.arange(9), np.arange(9.0), np.array([9, 10]), [row, row], 1)
    assert legend_lies_inside(fan_figure([fan] * panels, "sales"))
    quantiles = torch.rand(2, len(levels)) if bands else None
    window = Window(torch.rand(9), torch.rand(2), torch.rand(2), torch.rand(2), quantiles)
    assert legend_lies_inside(forecast_figure([window] * panels, "sales", "seasonal naive", levels if bands else ()))
