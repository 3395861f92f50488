// Line charts as SVG: ranges and ticks first, then the layout, then the drawing. Recordings are read in
// plot_directory.c.
#include "plot.h"
#include "../compiler/support/arena.h"
#include "files.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICKS = 96, LABEL = 48, FEW_POINTS = 40, FEW_SERIES = 6 };

static const double LETTER = 6.3;     // assumed width of a character of an axis or legend label, in pixels
static const double LARGEST = 1e300;  // larger magnitudes are drawn as this, so that ranges stay finite
static const double LEGEND_LINE = 26; // room for the sample of a line

typedef struct Tick {
    double at; // in axis coordinates: the value, or its decimal logarithm
    bool minor;
    char label[LABEL];
} Tick;

typedef struct Axis {
    double low, high;
    bool log;
    bool empty; // no finite value was there
    int factor; // labels are to be multiplied by ten to this power
    uint32_t tick_count;
    Tick ticks[TICKS];
} Axis;

typedef struct Frame { // one panel and where it stands
    const PlotPanel *panel;
    double left, top, width, height;
    Axis x, y;
} Frame;

// ---- Text ----------------------------------------------------------------------------------------------------------

// Length of the UTF-8 sequence at `s`, 0 when it is not one (or not allowed in XML).
static size_t utf8_length(const unsigned char *s) {
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
    size_t length = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] >= 0xf5) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0;                                     // overlong
    if (s[0] == 0xed && s[1] >= 0xa0) return 0;                                    // surrogate
    if (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe) return 0;                    // U+FFFE, U+FFFF
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)) return 0; // overlong, above U+10FFFF
    return length;
}

static void add_escaped(Text *out, const char *string) {
    const unsigned char *s = (const unsigned char *)string;
    while (*s) {
        size_t length = utf8_length(s);
        if (!length)
            text_add(out, "\xef\xbf\xbd"); // U+FFFD
        else if (*s == '<')
            text_add(out, "&lt;");
        else if (*s == '>')
            text_add(out, "&gt;");
        else if (*s == '&')
            text_add(out, "&amp;");
        else if (*s == '"')
            text_add(out, "&quot;");
        else
            text_add_bytes(out, (const char *)s, length);
        s += length ? length : 1;
    }
}

static double text_width(const char *string) {
    double width = 0;
    for (const char *c = string; *c; c++) width += ((unsigned char)*c & 0xc0) != 0x80 ? LETTER : 0;
    return width;
}

// A coordinate: at most two decimals, no trailing zeros.
static void add_pixels(Text *out, double value) {
    long long hundredths = llround(value * 100);
    if (hundredths < 0) text_add(out, "-");
    long long magnitude = hundredths < 0 ? -hundredths : hundredths;
    text_addf(out, "%lld", magnitude / 100);
    if (magnitude % 10)
        text_addf(out, ".%02lld", magnitude % 100);
    else if (magnitude % 100)
        text_addf(out, ".%lld", magnitude / 10 % 10);
}

static void add_attribute(Text *out, const char *name, double value) {
    text_addf(out, " %s=\"", name);
    add_pixels(out, value);
    text_add(out, "\"");
}

static void add_label(Text *out, const char *class, double x, double y, const char *string) {
    text_addf(out, "<text class=\"%s\"", class);
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    text_add(out, ">");
    add_escaped(out, string);
    text_add(out, "</text>\n");
}

static void add_line(Text *out, const char *class, double x1, double y1, double x2, double y2) {
    text_addf(out, "<line class=\"%s\"", class);
    add_attribute(out, "x1", x1);
    add_attribute(out, "y1", y1);
    add_attribute(out, "x2", x2);
    add_attribute(out, "y2", y2);
    text_add(out, "/>\n");
}

// ---- Numbers on axes -----------------------------------------------------------------------------------------------

// number * 10^exponent without an exponent, with a typographic minus: label_decimal(b, -15, -1) is "−1.5".
static void label_decimal(char label[LABEL], long long number, int exponent) {
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", number < 0 ? -number : number);
    Text text = {0};
    if (number < 0) text_add(&text, "\xe2\x88\x92");
    int length = (int)strlen(digits), whole = length + (exponent < 0 ? exponent : 0);
    if (whole <= 0)
        text_add(&text, "0");
    else
        text_add_bytes(&text, digits, (size_t)whole);
    for (int i = 0; number && i < exponent; i++) text_add(&text, "0");
    if (exponent < 0) {
        text_add(&text, ".");
        for (int i = whole; i < 0; i++) text_add(&text, "0");
        text_add(&text, digits + (whole > 0 ? whole : 0));
    }
    snprintf(label, LABEL, "%s", text_z(&text));
    text_free(&text);
}

// "10" and the exponent in superscript figures.
static void label_power(char label[LABEL], int exponent) {
    static const char *const superscript[10] = {"\xe2\x81\xb0", "\xc2\xb9",     "\xc2\xb2",     "\xc2\xb3",
                                                "\xe2\x81\xb4", "\xe2\x81\xb5", "\xe2\x81\xb6", "\xe2\x81\xb7",
                                                "\xe2\x81\xb8", "\xe2\x81\xb9"};
    char digits[16];
    snprintf(digits, sizeof digits, "%d", abs(exponent));
    Text text = {0};
    text_add(&text, exponent < 0 ? "10\xe2\x81\xbb" : "10");
    for (const char *c = digits; *c; c++) text_add(&text, superscript[*c - '0']);
    snprintf(label, LABEL, "%s", text_z(&text));
    text_free(&text);
}

static Tick *add_tick(Axis *axis, double at) {
    if (at < axis->low || at > axis->high || axis->tick_count == TICKS) return NULL;
    Tick *tick = &axis->ticks[axis->tick_count++];
    *tick = (Tick){.at = at};
    return tick;
}

// Steps of 1, 2 or 5 times a power of ten, about `wanted` of them.
static void ticks_linear(Axis *axis, double wanted, int large_exponent) {
    double raw = (axis->high - axis->low) / wanted;
    int exponent = (int)floor(log10(raw));
    double leading = raw / pow(10, exponent);
    long long mantissa = leading < 1.4 ? 1 : leading < 3.2 ? 2 : leading < 7.1 ? 5 : 10;
    if (mantissa == 10) {
        mantissa = 1;
        exponent++;
    }
    double step = (double)mantissa * pow(10, exponent);
    long long first = llround(ceil(axis->low / step - 1e-6)), last = llround(floor(axis->high / step + 1e-6));
    double largest = step * (double)(llabs(first) > llabs(last) ? llabs(first) : llabs(last));
    int magnitude = largest > 0 ? (int)floor(log10(largest) + 1e-9) : 0;
    axis->factor = magnitude >= large_exponent || magnitude <= -4 ? magnitude : 0;
    for (long long i = first; i <= last; i++) {
        Tick *tick = add_tick(axis, fmin(fmax((double)i * step, axis->low), axis->high));
        if (tick) label_decimal(tick->label, i * mantissa, exponent - axis->factor);
    }
}

// Up to three decades: 1, 2, 5 of each. More: whole decades, every n-th when there are many.
static void ticks_log(Axis *axis, double wanted) {
    int first = (int)floor(axis->low), last = (int)ceil(axis->high), decades = last - first;
    int every = (int)ceil(decades / wanted);
    bool few = axis->high - axis->low < 2.5;
    for (int decade = first; decade <= last; decade++) {
        if (decade % every) continue;
        for (int digit = 1; digit <= (every == 1 ? 9 : 1); digit++) {
            Tick *tick = add_tick(axis, decade + log10(digit));
            if (!tick) continue;
            tick->minor = !(digit == 1 || (few && (digit == 2 || digit == 5)));
            if (tick->minor) continue;
            if (few && decade >= -4 && decade < 5)
                label_decimal(tick->label, digit, decade);
            else if (digit == 1)
                label_power(tick->label, decade);
            else
                tick->minor = true;
        }
    }
}

// ---- Ranges --------------------------------------------------------------------------------------------------------

static double series_x(const PlotSeries *series, size_t i, bool log) {
    double x = series->x ? series->x[i] : (double)i;
    if (log) return x > 0 && isfinite(x) ? log10(x) : (double)NAN;
    return isfinite(x) ? fmin(fmax(x, -LARGEST), LARGEST) : (double)NAN;
}

static double series_y(const PlotSeries *series, size_t i, bool log) {
    double y = series->y[i * (series->stride ? series->stride : 1)];
    if (!isfinite(y) || (log && y <= 0)) return (double)NAN;
    return log ? log10(y) : fmin(fmax(y, -LARGEST), LARGEST);
}

static void widen(Axis *axis, double value) {
    if (isnan(value)) return;
    if (axis->empty || value < axis->low) axis->low = value;
    if (axis->empty || value > axis->high) axis->high = value;
    axis->empty = false;
}

static void measure(Frame *frame, bool log) {
    frame->x = (Axis){.empty = true, .log = frame->panel->log_x};
    frame->y = (Axis){.empty = true, .log = log};
    for (uint32_t s = 0; s < frame->panel->series_count; s++) {
        const PlotSeries *series = &frame->panel->series[s];
        for (size_t i = 0; i < series->count; i++) {
            double x = series_x(series, i, frame->x.log);
            widen(&frame->x, x);
            if (!isnan(x)) widen(&frame->y, series_y(series, i, log));
        }
    }
}

// Gives a constant a range around it and the others a margin, as a part of the range.
static void pad(Axis *axis, double margin) {
    if (axis->empty) *axis = (Axis){.high = 1, .empty = true};
    double magnitude = fmax(fabs(axis->low), fabs(axis->high)), range = axis->high - axis->low;
    double smallest = axis->log ? 0.1 : fmax(magnitude * 1e-9, 1e-300);
    if (range == 0 && !axis->log)
        margin = fmax(magnitude * 0.1, magnitude > 0 ? 0 : 1);
    else if (range < smallest)
        margin = smallest;
    else
        margin *= range;
    axis->low -= margin;
    axis->high += margin;
}

static bool few_points(const PlotPanel *panel) {
    for (uint32_t s = 0; s < panel->series_count; s++)
        if (panel->series[s].count > FEW_POINTS) return false;
    return true;
}

static void prepare_axes(Frame *frame) {
    measure(frame, frame->panel->log_y);
    if (frame->y.log && (frame->y.empty || frame->y.high - frame->y.low < 1)) measure(frame, false);
    pad(&frame->x, few_points(frame->panel) ? 0.015 : 0);
    pad(&frame->y, 0.05);
    if (frame->x.log)
        ticks_log(&frame->x, fmax(frame->width / 40, 2));
    else
        ticks_linear(&frame->x, fmax(frame->width / 80, 2), 6);
    if (frame->y.log)
        ticks_log(&frame->y, fmax(frame->height / 24, 2));
    else
        ticks_linear(&frame->y, fmax(frame->height / 32, 2), 5);
}

static double place_x(const Frame *frame, double x) {
    return frame->left + (x - frame->x.low) / (frame->x.high - frame->x.low) * frame->width;
}

static double place_y(const Frame *frame, double y) {
    return frame->top + (frame->y.high - y) / (frame->y.high - frame->y.low) * frame->height;
}

// ---- Lines ---------------------------------------------------------------------------------------------------------

typedef struct Point {
    double x, y;
    size_t index;
} Point;

typedef struct Pen { // draws the smallest and largest of the points that fall into one pixel column
    Text *path;
    long column;
    bool filled; // a point waits
    Point lowest, highest;
    uint32_t drawn; // points since the last gap
} Pen;

static void pen_point(Pen *pen, Point point) {
    text_add(pen->path, pen->drawn++ ? "L" : "M");
    add_pixels(pen->path, point.x);
    text_add(pen->path, " ");
    add_pixels(pen->path, point.y);
}

static void pen_flush(Pen *pen) {
    if (!pen->filled) return;
    bool in_order = pen->lowest.index < pen->highest.index;
    pen_point(pen, in_order ? pen->lowest : pen->highest);
    if (pen->lowest.index != pen->highest.index) pen_point(pen, in_order ? pen->highest : pen->lowest);
    pen->filled = false;
}

static void pen_gap(Pen *pen) {
    pen_flush(pen);
    if (pen->drawn == 1) text_add(pen->path, "h0"); // round line ends make a dot of it
    pen->drawn = 0;
}

static void pen_add(Pen *pen, Point point) {
    long column = lround(floor(point.x));
    if (pen->filled && column == pen->column) {
        if (point.y < pen->lowest.y) pen->lowest = point;
        if (point.y > pen->highest.y) pen->highest = point;
        return;
    }
    pen_flush(pen);
    *pen = (Pen){pen->path, column, true, point, point, pen->drawn};
}

static void trace(const Frame *frame, const PlotSeries *series, bool dots, Text *path) {
    Pen pen = {.path = path};
    for (size_t i = 0; i < series->count; i++) {
        double x = series_x(series, i, frame->x.log), y = series_y(series, i, frame->y.log);
        bool gap = isnan(x) || isnan(y);
        if (gap || dots) pen_gap(&pen);
        if (!gap) pen_add(&pen, (Point){place_x(frame, x), place_y(frame, y), i});
    }
    pen_gap(&pen);
}

// Few lines get colours that differ in hue and lightness, many a ramp that shows their order.
static void series_colour(char colour[8], const PlotPanel *panel, uint32_t s) {
    static const unsigned distinct[FEW_SERIES] = {0x2f6db5, 0xd9772b, 0x2e9e6b, 0xc23b58, 0x8465b8, 0x8a7a3c};
    static const unsigned ramp[5] = {0x3f4f9c, 0x2b83ba, 0x33a58b, 0xd9a13b, 0xc8453f};
    uint32_t fixed = panel->series[s].colour;
    unsigned rgb = distinct[(fixed ? fixed - 1 : s) % FEW_SERIES];
    if (!fixed && panel->series_count > FEW_SERIES) {
        double at = 4.0 * s / (panel->series_count - 1);
        unsigned from = at < 4 ? (unsigned)at : 3;
        rgb = 0;
        for (int shift = 16; shift >= 0; shift -= 8) {
            double a = ramp[from] >> shift & 255, b = ramp[from + 1] >> shift & 255;
            rgb |= (unsigned)lround(a + (b - a) * (at - from)) << shift;
        }
    }
    snprintf(colour, 8, "#%06x", rgb & 0xffffff);
}

static void draw_series(const Frame *frame, uint32_t s, Text *out) {
    const PlotSeries *series = &frame->panel->series[s];
    char colour[8];
    series_colour(colour, frame->panel, s);
    bool dots = few_points(frame->panel);
    for (int pass = 0; pass <= dots; pass++) { // the line, then a dot on each point
        Text path = {0};
        trace(frame, series, pass == 1, &path);
        if (path.length) {
            const char *class = pass ? "dots" : series->broken ? "line broken" : "line";
            text_addf(out, "<path class=\"%s\" stroke=\"%s\" d=\"%s\">", class, colour, text_z(&path));
            if (series->name && !pass) {
                text_add(out, "<title>");
                add_escaped(out, series->name);
                text_add(out, "</title>");
            }
            text_add(out, "</path>\n");
        }
        text_free(&path);
    }
}

// ---- Panels --------------------------------------------------------------------------------------------------------

static void draw_y_axis(const Frame *frame, Text *out) {
    const Axis *axis = &frame->y;
    for (uint32_t t = 0; t < axis->tick_count && !axis->empty; t++) {
        const Tick *tick = &axis->ticks[t];
        double y = place_y(frame, tick->at);
        if (!tick->minor) add_line(out, "grid", frame->left, y, frame->left + frame->width, y);
        add_line(out, "axis", frame->left - (tick->minor ? 2 : 4), y, frame->left, y);
        if (!tick->minor) add_label(out, "end", frame->left - 7, y + 3.8, tick->label);
    }
    add_line(out, "axis", frame->left, frame->top, frame->left, frame->top + frame->height);
    if (axis->factor) {
        char power[LABEL], label[LABEL + 4];
        label_power(power, axis->factor);
        snprintf(label, sizeof label, "\xc3\x97%s", power);
        add_label(out, "end", frame->left - 7, frame->top - 8, label);
    }
    if (!frame->panel->y_label) return;
    text_add(out, "<g transform=\"translate(");
    add_pixels(out, frame->left - 46);
    text_add(out, " ");
    add_pixels(out, frame->top + frame->height / 2);
    text_add(out, ") rotate(-90)\">");
    add_label(out, "middle", 0, 0, frame->panel->y_label);
    text_add(out, "</g>\n");
}

static void draw_x_axis(const Frame *frame, bool labels, Text *out) {
    const Axis *axis = &frame->x;
    double bottom = frame->top + frame->height;
    for (uint32_t t = 0; t < axis->tick_count && !axis->empty; t++) {
        double x = place_x(frame, axis->ticks[t].at);
        bool minor = axis->ticks[t].minor;
        add_line(out, "axis", x, bottom, x, bottom + (minor ? 2 : 4));
        if (labels && !minor) add_label(out, "middle", x, bottom + 16, axis->ticks[t].label);
    }
    add_line(out, "axis", frame->left, bottom, frame->left + frame->width, bottom);
    if (!labels) return;
    Text label = {0};
    if (frame->panel->x_label) text_add(&label, frame->panel->x_label);
    if (axis->factor) {
        char power[LABEL];
        label_power(power, axis->factor);
        text_addf(&label, " (\xc3\x97%s)", power);
    }
    if (label.length) add_label(out, "middle", frame->left + frame->width / 2, bottom + 32, text_z(&label));
    text_free(&label);
}

static void draw_legend(const Frame *frame, Text *out) {
    const PlotPanel *panel = frame->panel;
    double pitch = fmin(15, frame->height / panel->series_count), x = frame->left + frame->width + 12;
    double y = frame->top + pitch / 2;
    for (uint32_t s = 0; s < panel->series_count; s++) {
        if (!panel->series[s].name || !*panel->series[s].name) continue;
        char colour[8];
        series_colour(colour, panel, s);
        text_addf(out, "<path class=\"key%s\" stroke=\"%s\" d=\"M", panel->series[s].broken ? " broken" : "", colour);
        add_pixels(out, x);
        text_add(out, " ");
        add_pixels(out, y);
        text_add(out, "h14\"/>\n");
        add_label(out, "label", x + 19, y + 3.8, panel->series[s].name);
        y += pitch;
    }
}

static void draw_marks(const Frame *frame, Text *out) {
    for (uint32_t m = 0; m < frame->panel->mark_count; m++) {
        const PlotMark *mark = &frame->panel->marks[m];
        double at = !frame->x.log ? mark->x : mark->x > 0 ? log10(mark->x) : (double)NAN, x = place_x(frame, at);
        if (!(at >= frame->x.low && at <= frame->x.high)) continue;
        add_line(out, "mark", x, frame->top, x, frame->top + frame->height);
        if (mark->label) add_label(out, "label", x + 4, frame->top + 10, mark->label);
    }
}

static void draw_panel(const Frame *frame, bool x_labels, Text *out) {
    text_add(out, "<g>\n");
    if (frame->panel->title) add_label(out, "name", frame->left, frame->top - 8, frame->panel->title);
    draw_y_axis(frame, out);
    draw_x_axis(frame, x_labels, out);
    draw_marks(frame, out);
    if (frame->y.empty) {
        add_label(out, "middle", frame->left + frame->width / 2, frame->top + frame->height / 2, "no finite values");
    } else {
        for (uint32_t s = 0; s < frame->panel->series_count; s++) draw_series(frame, s, out);
        draw_legend(frame, out);
    }
    text_add(out, "</g>\n");
}

// ---- Figure --------------------------------------------------------------------------------------------------------

typedef struct Layout {
    uint32_t columns;
    double width, height, panel_width, panel_height;
    double left, right, top, row; // room beside, right of and above a panel; height of a row
    bool shared_x;                // only the lowest panels carry x labels
} Layout;

static double legend_width(const PlotPanel *panel) {
    double width = 0;
    for (uint32_t s = 0; s < panel->series_count; s++)
        if (panel->series[s].name && *panel->series[s].name)
            width = fmax(width, text_width(panel->series[s].name) + LEGEND_LINE + 8);
    return width;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

// How far the label of the last tick reaches beyond the axis.
static double overhang(const Frame *frame) {
    const Axis *axis = &frame->x;
    if (axis->empty || axis->tick_count == 0) return 0;
    const Tick *last = &axis->ticks[axis->tick_count - 1];
    return text_width(last->label) / 2 - (axis->high - last->at) / (axis->high - axis->low) * frame->width;
}

// Left margins depend on the tick labels and those on the panel sizes: sizes are guessed first.
static void measure_labels(Layout *layout, Frame *frames, uint32_t count) {
    double widest = 20;
    layout->shared_x = true;
    layout->right = 12;
    for (uint32_t p = 0; p < count; p++) {
        Frame *frame = &frames[p];
        frame->width = layout->width / layout->columns - 100;
        frame->height = layout->panel_height;
        prepare_axes(frame);
        for (uint32_t t = 0; t < frame->y.tick_count; t++) widest = fmax(widest, text_width(frame->y.ticks[t].label));
        if (frame->y.factor) widest = fmax(widest, 5 * LETTER);
        if (frame->panel->y_label) widest = fmax(widest, 54 - 10);
        layout->right = fmax(layout->right, legend_width(frame->panel));
        layout->right = fmax(layout->right, overhang(frame));
        layout->shared_x &= frame->x.low == frames[0].x.low && frame->x.high == frames[0].x.high &&
                            same_text(frame->panel->x_label, frames[0].panel->x_label);
    }
    layout->left = widest + 18;
}

static Layout arrange(const PlotOptions *options, Frame *frames, uint32_t count) {
    Layout layout = {.columns = options->columns ? options->columns
                                : count <= 4     ? 1
                                                 : 2,
                     .width = options->width > 0 ? options->width : 760,
                     .panel_height = options->panel_height > 0 ? options->panel_height : 130,
                     .top = options->title ? 34 : 10};
    if (layout.columns > count) layout.columns = count ? count : 1;
    measure_labels(&layout, frames, count);
    layout.panel_width = fmax(layout.width / layout.columns - layout.left - layout.right, 60);
    layout.row = layout.panel_height + (layout.shared_x ? 40 : 64);
    uint32_t rows = (count + layout.columns - 1) / layout.columns;
    layout.height = layout.top + rows * layout.row + (layout.shared_x ? 32 : 8);
    for (uint32_t p = 0; p < count; p++) {
        Frame *frame = &frames[p];
        uint32_t row = p / layout.columns, column = p % layout.columns;
        frame->left = column * (layout.width / layout.columns) + layout.left;
        frame->top = layout.top + row * layout.row + 24;
        frame->width = layout.panel_width;
        prepare_axes(frame);
    }
    return layout;
}

static void open_svg(const PlotOptions *options, const Layout *layout, Text *out) {
    text_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"");
    add_attribute(out, "width", layout->width);
    add_attribute(out, "height", layout->height);
    text_add(out, " viewBox=\"0 0 ");
    add_pixels(out, layout->width);
    text_add(out, " ");
    add_pixels(out, layout->height);
    text_add(out, "\">\n");
    if (options->title) {
        text_add(out, "<title>");
        add_escaped(out, options->title);
        text_add(out, "</title>\n");
    }
    text_add(out,
             "<style>\n"
             "text { font: 11px Helvetica, Arial, 'Liberation Sans', sans-serif; fill: #3c3c3c }\n"
             ".end { text-anchor: end } .middle { text-anchor: middle }\n"
             ".name { font-size: 12px; font-weight: bold } .title { font-size: 14px; font-weight: bold }\n"
             ".back { fill: #ffffff } .axis { stroke: #5a5a5a; stroke-width: 1 }\n"
             ".grid { stroke: #e6e6e6; stroke-width: 1 }\n"
             ".line, .dots, .key { fill: none; stroke-linecap: round; stroke-linejoin: round }\n"
             ".line { stroke-width: 1.3 } .dots { stroke-width: 4.2 } .key { stroke-width: 2.2 }\n"
             ".broken { stroke-dasharray: 4 3 } .mark { stroke: #a05050; stroke-width: 1; stroke-dasharray: 2 2 }\n"
             "@media (prefers-color-scheme: dark) { text { fill: #d0d0d0 } .back { fill: #16181c } "
             ".axis { stroke: #a0a0a0 } .grid { stroke: #33363c } }\n"
             "</style>\n<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n");
    if (options->title) add_label(out, "title", layout->left, 24, options->title);
}

void plot_svg(const PlotOptions *options, const PlotPanel *panels, uint32_t panel_count, Text *out) {
    Frame *frames = memory_resize(NULL, panel_count, sizeof *frames);
    for (uint32_t p = 0; p < panel_count; p++) frames[p] = (Frame){.panel = &panels[p]};
    Layout layout = arrange(options, frames, panel_count);
    open_svg(options, &layout, out);
    for (uint32_t p = 0; p < panel_count; p++)
        draw_panel(&frames[p], !layout.shared_x || p + layout.columns >= panel_count, out);
    text_add(out, "</svg>\n");
    free(frames);
}

bool plot_series(const char *path, const PlotOptions *options, const PlotPanel *panels, uint32_t panel_count,
                 Text *error) {
    Text svg = {0};
    plot_svg(options, panels, panel_count, &svg);
    bool good = file_replace(path, text_z(&svg), svg.length, error);
    text_free(&svg);
    return good;
}
