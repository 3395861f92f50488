// SVG plots: well-formed output, gaps, ranges, thinning, file names, and what a folder of recordings becomes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/data/table.h"
#include "runtime/plot.h"
#include <dirent.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t occurrences(const char *text, const char *what) {
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) count++;
    return count;
}

static void assert_contains(const Text *svg, const char *what) {
    if (!strstr(text_z(svg), what)) fail_msg("`%s` is missing in:\n%s", what, text_z(svg));
}

static void assert_lacks(const Text *svg, const char *what) {
    if (strstr(text_z(svg), what)) fail_msg("`%s` should not be in:\n%s", what, text_z(svg));
}

// Tags open and close in pairs, and no number is `nan` or `inf`.
static void assert_well_formed(const Text *svg) {
    int depth = 0;
    for (const char *at = text_z(svg); (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        if (at[1] == '/')
            depth--;
        else if (end[-1] != '/')
            depth++;
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    assert_lacks(svg, "nan");
    assert_lacks(svg, "inf\"");
}

static Text draw(PlotPanel panel) {
    Text svg = {0};
    plot_svg(&(PlotOptions){0}, &panel, 1, &svg);
    assert_well_formed(&svg);
    return svg;
}

static Text draw_values(const double *y, size_t count, bool log_y) {
    PlotSeries series = {.y = y, .count = count};
    return draw((PlotPanel){.log_y = log_y, .series = &series, .series_count = 1});
}

// The `d` attribute of the first line.
static char *first_path(const Text *svg) {
    const char *begin = strstr(text_z(svg), "<path class=\"line\"");
    assert_non_null(begin);
    begin = strstr(begin, " d=\"") + 4;
    return strndup(begin, strcspn(begin, "\""));
}

static void ticks_are_round(void **state) {
    (void)state;
    Text svg = draw_values((double[]){-1, 0.3, 1}, 3, false);
    assert_contains(&svg, ">\xe2\x88\x92"
                          "1.0</text>");
    assert_contains(&svg, ">0.5</text>");
    assert_contains(&svg, ">0.0</text>");
    text_free(&svg);
    svg = draw_values((double[]){0, 3e-6}, 2, false); // one power of ten for all labels
    assert_contains(&svg, "\xc3\x97"
                          "10\xe2\x81\xbb\xe2\x81\xb6</text>");
    text_free(&svg);
    svg = draw_values((double[]){1e5, 1e8}, 2, false);
    assert_contains(&svg, "\xc3\x97"
                          "10\xe2\x81\xb8</text>");
    text_free(&svg);
}

static void log_axis_has_powers(void **state) {
    (void)state;
    Text svg = draw_values((double[]){1e-6, 1e-2, 100}, 3, true);
    assert_contains(&svg, ">10\xe2\x81\xbb\xe2\x81\xb4</text>");
    text_free(&svg);
    svg = draw_values((double[]){1, 0, -5, 1000}, 4, true); // what has no logarithm is a gap
    char *path = first_path(&svg);
    assert_int_equal(occurrences(path, "M"), 2);
    free(path);
    text_free(&svg);
    svg = draw_values((double[]){1, 2}, 2, true); // less than a decade: linear
    assert_contains(&svg, ">1.0</text>");
    text_free(&svg);
}

static void odd_values_are_drawn_or_left_out(void **state) {
    (void)state;
    Text svg = draw_values((double[]){1, NAN, 2, 3, INFINITY, 4}, 6, false);
    char *path = first_path(&svg);
    assert_int_equal(occurrences(path, "M"), 3);
    assert_int_equal(occurrences(path, "h0"), 2); // single points between gaps are dots
    assert_int_equal(occurrences(path, "L"), 1);
    free(path);
    text_free(&svg);

    const double odd[][2] = {{0, 0},     {5, 5},         {-1e308, 1e308},  {1e-320, 2e-320},
                             {NAN, NAN}, {-INFINITY, 1}, {1e15, 1e15 + 1}, {1, 1 + 1e-15},
                             {-3, -3},   {1e308, 1e308}, {1e-300, 1e300}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (int log_y = 0; log_y < 2; log_y++) {
            svg = draw_values(odd[i], 2, log_y);
            text_free(&svg);
        }
    svg = draw_values(odd[4], 2, false);
    assert_contains(&svg, "no finite values");
    text_free(&svg);
    svg = draw((PlotPanel){.title = "empty"});
    assert_contains(&svg, "no finite values");
    text_free(&svg);
    svg = draw_values(NULL, 0, false);
    text_free(&svg);
    plot_svg(&(PlotOptions){.title = "no panel"}, NULL, 0, &svg);
    assert_well_formed(&svg);
    text_free(&svg);
}

static void text_is_escaped(void **state) {
    (void)state;
    double y[2] = {0, 1};
    PlotSeries series = {.name = "a<b & \"c\"", .y = y, .count = 2};
    PlotPanel panel = {.title = "</svg>\x01\xff\xc3", .x_label = "\xc2\xb5s", .series = &series, .series_count = 1};
    Text svg = draw(panel);
    assert_contains(&svg, "a&lt;b &amp; &quot;c&quot;");
    assert_contains(&svg, "&lt;/svg&gt;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd<"); // what XML forbids is replaced
    assert_contains(&svg, ">\xc2\xb5s<");
    text_free(&svg);
}

static void long_series_are_thinned_but_keep_their_extremes(void **state) {
    (void)state;
    size_t count = 1000000;
    double *y = calloc(count, sizeof *y);
    assert_non_null(y);
    Text flat = draw_values(y, count, false);
    y[123456] = 10;
    Text spike = draw_values(y, count, false);
    assert_true(spike.length < 40000);
    char *a = first_path(&flat), *b = first_path(&spike);
    assert_string_not_equal(a, b);
    free(a);
    free(b);
    free(y);
    text_free(&flat);
    text_free(&spike);
}

static void output_ignores_the_locale(void **state) {
    (void)state;
    double y[3] = {0.25, 1.5, 2.75};
    Text plain = draw_values(y, 3, false);
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "de_DE.utf8")) setlocale(LC_ALL, "C");
    Text other = draw_values(y, 3, false);
    setlocale(LC_ALL, "C");
    assert_string_equal(text_z(&plain), text_z(&other));
    text_free(&plain);
    text_free(&other);
}

// ---- Folders -------------------------------------------------------------------------------------------------------

static int make_folder(void **state) {
    char *folder = strdup("/tmp/lequel-plot-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static char *inside(const char *folder, const char *name) {
    Text path = {0};
    text_addf(&path, "%s/%s", folder, name);
    return path.bytes;
}

static int remove_folder(void **state) {
    DIR *entries = opendir(*state);
    for (const struct dirent *entry; entries && (entry = readdir(entries));) {
        char *path = inside(*state, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
        free(path);
    }
    if (entries) closedir(entries);
    int result = rmdir(*state);
    free(*state);
    return result;
}

static void save_array(const char *folder, const char *name, const double *data, int rank, const int64_t *shape) {
    char *path = inside(folder, name);
    Text error = {0};
    if (!table_save_npy(path, NUMBER_DOUBLE, data, rank, shape, &error)) fail_msg("%s", text_z(&error));
    text_free(&error);
    free(path);
}

static void save_text(const char *folder, const char *name, const char *content) {
    char *path = inside(folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    free(path);
}

static Text read_text(const char *folder, const char *name) {
    char *path = inside(folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    Text text = {0};
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file));) text_add_bytes(&text, buffer, n);
    fclose(file);
    free(path);
    return text;
}

static void save_recording(const char *folder) {
    double time[50], wide[50 * 24], single[50];
    for (int i = 0; i < 50; i++) {
        time[i] = 0.5 * i;
        single[i] = 1 + i;
        for (int j = 0; j < 24; j++) wide[24 * i + j] = sin(0.1 * i + j);
    }
    save_array(folder, "time.npy", time, 1, (int64_t[]){50});
    save_array(folder, "steps.npy", time, 1, (int64_t[]){50});
    save_array(folder, "s0.u.npy", wide, 3, (int64_t[]){50, 4, 6});
    save_array(folder, "cost.npy", single, 1, (int64_t[]){50});
    save_array(folder, "one.npy", single, 2, (int64_t[]){5, 1});
    save_array(folder, "none.npy", single, 2, (int64_t[]){0, 3});
}

static void folder_becomes_figures(void **state) {
    Text report = {0}, error = {0};
    save_recording(*state);
    save_text(*state, "broken.npy", "no array");
    save_text(
        *state, "scores.csv",
        "epoch,train.loss,train.accuracy,test.loss,test.accuracy\n1,1,0.5,1.1,0.4\n2,0.1,0.8,,\n3,0.01,1,0.02,0.9\n");
    char *pipe = inside(*state, "pipe.npy");
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_false(plot_directory(*state, NULL, &report, &error)); // what can be read is drawn nevertheless
    free(pipe);
    assert_contains(&error, "2 files of ");
    assert_contains(&report, "pipe.npy: is a pipe");
    assert_contains(&error, " could not be drawn");
    assert_contains(&report, "traces.svg (4 panels)");
    assert_contains(&report, "scores.svg (2 panels)");
    assert_contains(&report, "broken.npy");

    Text traces = read_text(*state, "traces.svg"), scores = read_text(*state, "scores.svg");
    assert_well_formed(&traces);
    assert_well_formed(&scores);
    assert_contains(&traces, ">s0.u (12 of 24)<");
    assert_contains(&traces, ">3, 5<"); // the last value is among those shown
    assert_contains(&traces, ">time<");
    assert_contains(&traces, ">record<"); // one.npy has other records than time.npy
    assert_contains(&scores, ">loss<");
    assert_contains(&scores, ">accuracy<");
    assert_contains(&scores, ">epoch<");
    assert_int_equal(occurrences(text_z(&scores), "<path class=\"line\""), 4);
    assert_contains(&scores, ">0.1<"); // loss spans two decades
    text_free(&traces);
    text_free(&scores);
    text_free(&report);
    text_free(&error);
}

static void save_course(const char *folder) { // 700, 701 … in each second step
    double steps[50], values[50];
    for (int i = 0; i < 50; i++) steps[i] = 2 * i, values[i] = 700 + i;
    save_array(folder, "steps.npy", steps, 1, (int64_t[]){50});
    save_array(folder, "x.npy", values, 3, (int64_t[]){50, 1, 1});
}

static void assert_drawn(const char *folder, const PlotPart *part, const char *const *there, const char *const * not ) {
    Text report = {0}, error = {0};
    if (!plot_directory(folder, part, &report, &error)) fail_msg("%s", text_z(&error));
    Text svg = read_text(folder, "traces.svg");
    for (; *there; there++) assert_contains(&svg, *there);
    for (; *not ; not ++) assert_lacks(&svg, *not );
    text_free(&svg);
    text_free(&report);
    text_free(&error);
}

static void assert_refused(const char *folder, const PlotPart *part, const char *why) {
    Text report = {0}, error = {0};
    assert_false(plot_directory(folder, part, &report, &error));
    assert_contains(&error, why);
    text_free(&report);
    text_free(&error);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

// Where run.json has a unit of time, steps become ms or s.
static void time_has_a_unit(void **state) {
    save_course(*state);
    assert_drawn(*state, NULL, NAMES(">step<"), NAMES(">time"));
    save_text(*state, "run.json", "{\"dt\": 0.5, \"unit_of_time\": \"ms\"}\n");
    assert_drawn(*state, NULL, NAMES(">time (ms)<", ">40<"), NAMES(">step<", ">80<"));
    save_text(*state, "run.json", "{\"dt\": 500, \"unit_of_time\": \"ms\"}\n");
    assert_drawn(*state, NULL, NAMES(">time (s)<", ">40<"), NAMES(">step<"));
    save_text(*state, "run.json", "{\n");
    assert_refused(*state, NULL, "run.json: byte");
}

// Only the part that was asked for is drawn, both ends included.
static void parts_are_drawn(void **state) {
    save_course(*state);
    PlotPart part = {.from = 20, .to = 25, .from_ms = true, .to_ms = true};
    assert_refused(*state, &part, "names no unit of time");
    save_text(*state, "run.json", "{\"dt\": 0.5, \"unit_of_time\": \"ms\"}\n");
    assert_drawn(*state, &part, NAMES(">720<", ">725<", ">24.0<"), NAMES(">719<", ">726<")); // steps 40 to 50
    part = (PlotPart){.from = 0, .to = 2};
    assert_drawn(*state, &part, NAMES(">1.0<"), NAMES(">702<")); // 1 ms
    part = (PlotPart){.from = 99, .to = INFINITY};
    assert_refused(*state, &part, "nothing was recorded");
    part = (PlotPart){.from = 9, .to = 3};
    assert_refused(*state, &part, "ends before it begins");
}

// A score of one value is no course, one without any no panel, and the number of a stage no score.
static void scores_without_a_course(void **state) {
    Text report = {0}, error = {0};
    double steps[250], beat[250];
    for (int i = 0; i < 250; i++) steps[i] = i, beat[i] = i % 2;
    save_array(*state, "steps.npy", steps, 1, (int64_t[]){250});
    save_array(*state, "calm.npy", steps, 2, (int64_t[]){250, 1});
    save_text(*state, "scores.csv",
              "step,stage,train.loss,train.before,train.after\n10,1,nan,0.5,nan\n20,2,nan,nan,0.7\n");
    assert_true(plot_directory(*state, NULL, &report, &error));
    assert_contains(&report, "one value of each score");
    assert_lacks(&report, "scores.svg");
    assert_lacks(&report, "too often");
    save_text(*state, "scores.csv", "step,stage,train.loss,train.before\n10,1,nan,0.5\n20,2,nan,0.6\n");
    save_array(*state, "beat.npy", beat, 2, (int64_t[]){250, 1});
    assert_true(plot_directory(*state, NULL, &report, &error));
    assert_contains(&report, "scores.svg (1 panel)");
    assert_contains(&report, "beat goes up and down too often");
    text_free(&report);
}

static void same_input_same_bytes(void **state) {
    Text report = {0}, error = {0};
    save_recording(*state);
    assert_true(plot_directory(*state, NULL, &report, &error));
    Text first = read_text(*state, "traces.svg");
    assert_true(plot_directory(*state, NULL, &report, &error));
    Text second = read_text(*state, "traces.svg");
    assert_string_equal(text_z(&first), text_z(&second));
    text_free(&first);
    text_free(&second);
    text_free(&report);
    text_free(&error);
}

static void failures_say_why(void **state) {
    Text report = {0}, error = {0};
    assert_false(plot_directory(*state, NULL, &report, &error));
    assert_contains(&error, "holds nothing to draw");
    text_free(&error);
    assert_false(plot_directory("/nonexistent/folder", NULL, &report, &error));
    assert_contains(&error, "/nonexistent/folder");
    text_free(&error);
    assert_false(plot_series("/nonexistent/figure.svg", &(PlotOptions){0}, NULL, 0, &error));
    assert_contains(&error, "/nonexistent/figure.svg: cannot be written");
    text_free(&error);
    char *path = inside(*state, "figure.svg");
    assert_int_equal(mkdir(path, 0777), 0); // cannot be replaced by a file, and nothing may be left behind
    assert_false(plot_series(path, &(PlotOptions){0}, NULL, 0, &error));
    assert_int_equal(rmdir(path), 0);
    free(path);
    text_free(&error);
    text_free(&report);
}

// Decades are equally far apart, x <= 0 is a gap, marks stand where they belong and only inside of the range.
static void test_logarithmic_x(void **state) {
    (void)state;
    const double x[] = {0, 0.01, 0.1, 1, 10}, y[] = {7, 1, 2, 3, 4};
    PlotSeries series = {.x = x, .y = y, .count = 5, .broken = true};
    PlotMark marks[] = {{0.1, "here"}, {1000, "outside"}, {-1, "nowhere"}};
    Text svg = draw((PlotPanel){.log_x = true, .series = &series, .series_count = 1, .marks = marks, .mark_count = 3});
    assert_contains(&svg, "class=\"line broken\"");
    assert_contains(&svg, ">here<");
    assert_lacks(&svg, "outside");
    assert_lacks(&svg, "nowhere");
    double at[4], mark;
    const char *path = strstr(text_z(&svg), " d=\"M");
    assert_non_null(path);
    assert_int_equal(sscanf(path, " d=\"M%lf %*fL%lf %*fL%lf %*fL%lf", &at[0], &at[1], &at[2], &at[3]), 4);
    for (int i = 1; i < 4; i++) assert_true(fabs(at[i] - at[i - 1] - (at[1] - at[0])) < 0.03);
    const char *line = strstr(text_z(&svg), "class=\"mark\" x1=\"");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "class=\"mark\" x1=\"%lf", &mark), 1);
    assert_true(fabs(mark - at[1]) < 0.02);
    text_free(&svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logarithmic_x),
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(log_axis_has_powers),
        cmocka_unit_test(odd_values_are_drawn_or_left_out),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(long_series_are_thinned_but_keep_their_extremes),
        cmocka_unit_test(output_ignores_the_locale),
        cmocka_unit_test_setup_teardown(folder_becomes_figures, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(time_has_a_unit, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(parts_are_drawn, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(scores_without_a_course, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(same_input_same_bytes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(failures_say_why, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
