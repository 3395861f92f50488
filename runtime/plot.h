// Line charts as SVG: panels with axes, ticks, grid, legend. The output depends on the data alone: no locale, no
// time, no font metrics. Viewers that prefer dark colours get them from a style rule in the file.
#ifndef LEQUEL_PLOT_H
#define LEQUEL_PLOT_H

#include "../compiler/support/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One line. NaN, infinities and, on a logarithmic axis, values that are not positive are gaps.
typedef struct PlotSeries {
    const char *name; // in the legend; NULL: none
    const double *x;  // count values, ascending; NULL: 0, 1, 2…
    const double *y;  // the i-th value is y[i * stride]
    size_t count;
    size_t stride;   // 0 means 1
    uint32_t colour; // 0: by its place in the panel; 1, 2…: a fixed one, so that a name keeps its colour in all panels
    bool broken;     // drawn with gaps
} PlotSeries;

typedef struct PlotMark { // a vertical line
    double x;
    const char *label; // beside its upper end; NULL: none
} PlotMark;

typedef struct PlotPanel {
    const char *title, *x_label, *y_label; // UTF-8; NULL: none
    bool log_y;                            // taken as a wish: linear where the values span less than a decade
    const PlotSeries *series;
    uint32_t series_count;
    bool log_x;            // x <= 0 is a gap
    const PlotMark *marks; // those outside of the range of x are left out
    uint32_t mark_count;
} PlotPanel;

typedef struct PlotOptions {
    const char *title;   // of the whole figure; NULL: none
    uint32_t columns;    // panels side by side; 0: one column up to four panels, then two
    double panel_height; // of the area between the axes, in pixels; 0: 130
    double width;        // of the figure, in pixels; 0: 760
} PlotOptions;

// Adds the figure to `out`. Long series are drawn by their smallest and largest value in each pixel column.
void plot_svg(const PlotOptions *options, const PlotPanel *panels, uint32_t panel_count, Text *out);

// Writes the figure to `path`: complete or, when it returns false with a sentence in `error`, not at all.
bool plot_series(const char *path, const PlotOptions *options, const PlotPanel *panels, uint32_t panel_count,
                 Text *error);

typedef struct PlotPart { // of the recordings, both ends included; infinite ends leave it open
    double from, to;      // steps, or ms
    bool from_ms, to_ms;
} PlotPart;

// Draws what a run left in the folder `dir`:
//   traces.svg  one panel for each NAME.npy [records, …], against time.npy or steps.npy where the lengths agree, in ms
//               or s where run.json has a unit of time; of more than 12 values a record, 12 evenly spaced ones
//   scores.svg  from scores.csv, one panel for each score; `train.loss` and `test.loss` share the panel `loss`. It is
//               left out where recordings were drawn and no score has two values
// `part`: of what has steps, only this; NULL: everything. Adds a line to `report` for each file written, each array
// that could not be read, and one where lines are too dense to be seen. False, with a sentence in `error`, when
// something could not be read (all else is drawn), there was nothing to draw or a file could not be written.
bool plot_directory(const char *dir, const PlotPart *part, Text *report, Text *error);

#endif
