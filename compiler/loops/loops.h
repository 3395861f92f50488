// Loops: the step as loop nests over named arrays, ready for any back end. Every back end reads this form and nothing
// else; what a kernel computes is fixed here, operation by operation, transcendental functions included (maths.h).
//
// A program is a table of arrays, a table of kernels and, per entry point, a list of calls. A kernel says what is
// computed, not on how much: sizes, strides and array addresses belong to the call, so that populations with the same
// equations share one kernel and compile once.
//
// Layout of an array of extents e0, e1, … (plus the batch as last axis where `batched`): row-major; the last axis is
// padded to a multiple of LOOP_PAD elements, the one before it to a multiple of LOOP_ROW_PAD rows. A block starts on
// 64 bytes. Padding holds zeros at first; whatever is computed there later never reaches a real element: elementwise
// work is lane by lane, contractions keep rows apart, and sums mask the padding of a summed vector axis.
#ifndef LEQUEL_LOOPS_H
#define LEQUEL_LOOPS_H

#include "../diagnostics.h"
#include "../support/vec.h"

enum { LOOP_PAD = 16, LOOP_ROW_PAD = 8, LOOP_MAX_AXES = 6, LOOP_LANES = 16 };

typedef enum LoopReal { LOOP_F32, LOOP_F64 } LoopReal;

typedef struct LoopArray {
    Atom name;
    LoopReal real; // element type; scalars (rank 0, not batched) are always LOOP_F64
    uint32_t rank; // without the batch
    int64_t extent[LOOP_MAX_AXES];
    bool batched;    // has an axis for the samples
    bool per_sample; // has a value for each sample: batched, or made for a single sample
} LoopArray;

// One operation of a kernel's body: static single assignment, operands are numbers of earlier operations.
// REAL values have the kernel's element type, INT values are integers of the same width, BOOL values are lane masks.
// clang-format off
typedef enum LoopOpKind {
    LOOP_CONST,   // REAL `value`, rounded to the element type
    LOOP_ICONST,  // INT `bits`
    LOOP_LOAD,    // REAL from access `a`; an f64 scalar array read by an f32 kernel is rounded
    LOOP_ADD, LOOP_SUB, LOOP_MUL, LOOP_DIV,
    LOOP_FMA,     // a*b + c, rounded once where the target has the instruction, else a multiply and an add
    LOOP_NEG, LOOP_ABS, LOOP_SQRT,
    LOOP_MIN, LOOP_MAX, // b where the comparison (a < b, a > b) fails, so a NaN in b is kept
    LOOP_RINT,    // to the nearest integer, ties to even
    LOOP_COPYSIGN, // magnitude of a, sign of b
    LOOP_LT, LOOP_LE, LOOP_EQ, // ordered comparisons: false when an operand is NaN. BOOL
    LOOP_AND, LOOP_OR, LOOP_NOT, // BOOL
    LOOP_SELECT,  // a ? b : c, a BOOL, b and c of one type
    LOOP_TO_BITS, LOOP_FROM_BITS, // REAL <-> INT, the same bits
    LOOP_TO_INT,  // REAL -> INT, towards zero; the value fits
    LOOP_TO_REAL, // INT -> REAL, signed
    LOOP_IADD, LOOP_ISUB, LOOP_IAND, LOOP_IOR, LOOP_IXOR,
    LOOP_ISHL, LOOP_ISHR, LOOP_IASR, // by the constant `bits` (logical and arithmetic right shift)
    LOOP_CALL, // REAL, the MathFunction `bits` (maths.h) of a, and of b for a power; only in programs with `calls`
    LOOP_OP_COUNT
} LoopOpKind;
// clang-format on

typedef struct LoopOp {
    LoopOpKind kind;
    uint32_t a, b, c;
    double value;
    uint64_t bits;
} LoopOp;

typedef enum LoopValueType { LOOP_REAL, LOOP_INT, LOOP_BOOL } LoopValueType;
LoopValueType loop_op_type(const LoopOp *ops, uint32_t op);
uint32_t loop_op_operands(const LoopOp *op, uint32_t numbers[3]); // how many operations it reads, and which

// How an access moves along the vector axis.
typedef enum LoopStride {
    LOOP_SPLAT,  // does not move: a scalar, broadcast to all lanes
    LOOP_UNIT,   // contiguous: a full-vector load or store
    LOOP_STRIDED // any other stride: lane by lane, each lane's index clamped to the axis' last real element
} LoopStride;

typedef struct LoopAccess {
    uint32_t argument; // which array of the call
    bool scalar_f64;   // the array is a LOOP_F64 scalar, whatever the kernel's element type
    LoopStride vector;
    // 0, or 1 + the operation whose value, cut to a whole number, is the place along axis 1 of the array, which has two
    // axes and a value for each sample; `stride` leaves that axis out. Such an operation is min(max(x, 0), n) + 1/2,
    // with n below the extent of the axis; of what is stored it is the same for all elements. In a SWEEP there is none.
    uint32_t slot;
} LoopAccess;

typedef enum LoopKernelKind {
    // For all elements of the axes: evaluate the body, then store. All loads of an element come before its stores.
    LOOP_MAP,
    // result[outer axes] = sum or max over the inner axes of the body's `result`; kept axes are the first `outer`
    // ones. Any axis may go in vectors, preferably one along which the accesses are contiguous; when it is an inner one
    // the lanes are combined at the end, with the axis' padding masked out. An empty sum is 0, a maximum -inf.
    // In deterministic programs the vector axis is that of loop_vector_axis: an inner one has LOOP_LANES sums, one per
    // lane, which are added in halves (lane i to lane i + 8, then to i + 4, …).
    LOOP_REDUCE,
    // One pass over matrices, whose rows are the first of two axes and whose columns go in vectors: for each element,
    // evaluate the body and store as MAP does; beside that each of `sums` adds up one value along the rows, or down the
    // columns. Deterministic sums along a row have LOOP_LANES lanes as in REDUCE, those down a column go in order.
    LOOP_SWEEP,
    // out[i, b] = sum over k of A[i*sa + k*sk] * X[k, b]: a matrix, plain or transposed, times a batch of vectors.
    LOOP_PRODUCT,
    // out[i, j] = sum over b of E[i, b] * R[j, b]: the batch's outer products, summed over the real samples only.
    LOOP_OUTER
} LoopKernelKind;

typedef struct LoopStore {
    uint32_t access, value;
} LoopStore;

typedef struct LoopSum { // of a sweep
    uint32_t access, value;
    bool down; // result[j] = sum over i; else result[i] = sum over j
} LoopSum;

typedef struct LoopKernel {
    LoopKernelKind kind;
    LoopReal real;
    uint32_t axes;  // MAP, REDUCE, SWEEP: number of axes; accesses describe the last one. 0 axes: one scalar evaluation
    uint32_t outer; // REDUCE: how many of the axes are kept
    bool maximum;   // REDUCE: maximum instead of sum; NaN as soon as one element is
    Vec(LoopOp) ops;
    Vec(LoopAccess) accesses;
    Vec(LoopStore) stores; // MAP, SWEEP; REDUCE has one store, whose access does not move along the inner axes
    Vec(LoopSum) sums;     // SWEEP
    char *key;             // canonical text of all the above; equal keys are the same kernel. Owned
} LoopKernel;

// A number of elements that may depend on the instance: fixed + padded * (the batch, padded).
typedef struct LoopSize {
    int64_t fixed, padded;
} LoopSize;

// An axis of a call: a fixed extent, or the batch.
typedef struct LoopAxis {
    int64_t extent; // ignored when batch
    bool batch;
} LoopAxis;

typedef struct LoopCall {
    uint32_t kernel;
    uint32_t guard;               // 0: always; g: only when bit g-1 of LoopArguments.active is set,
    bool unless;                  // or, with this, when it is not
    uint32_t level, part;         // in an entry for several threads: see LoopEntry
    Span span;                    // where in the model file this comes from
    LoopAxis axis[LOOP_MAX_AXES]; // MAP, REDUCE, SWEEP: per axis. PRODUCT: i, k. OUTER: i, j
    // Arrays by number: per argument of the kernel. PRODUCT: out, A, X. OUTER: out, E, R. This and the two arrays below
    // are on the heap and go with the program.
    uint32_t *array;
    uint32_t array_count;
    // MAP, REDUCE, SWEEP: stride[access * LOOP_MAX_AXES + axis] in elements, and offset[access]; stride along the
    // vector axis is 0, 1 or, for LOOP_STRIDED, any. PRODUCT: stride[0] = sa, stride[1] = sk; rows of out and X are one
    // padded batch apart. OUTER: stride[0] = the row stride of out. Both: offset[]
    // of out and of A or E.
    LoopSize *stride;
    LoopSize *offset;
} LoopCall;

// The calls of an entry are made in order. One for several threads (`parts` of them) is called by all of them, each
// with its own LoopArguments.part: each makes the calls of its part, and before a higher level begins, and where there
// are moves or several steps also before the first and after the last one, all wait for each other. Calls of one level
// do not touch what another of that level writes.
typedef struct LoopEntry {
    const char *name; // "step", "evaluate", …
    uint32_t parts;   // 0: for one thread
    Vec(LoopCall) calls;
} LoopEntry;

typedef struct LoopProgram {
    LoopReal real;
    bool deterministic; // the same bits on every machine: LOOP_FMA is a multiplication and an addition, sums have the
                        // shapes described at LoopKernelKind, subnormal numbers are kept
    bool calls;         // transcendental functions stand as LOOP_CALL: for readers, not for machines
    Vec(LoopArray) arrays;
    Vec(LoopKernel) kernels;
    Vec(LoopEntry) entries;
} LoopProgram;

// What goes from one place in memory to another along with the steps: a row of inputs into their array before a step,
// an array into a row of a recording after it. A cursor: it is moved on by whoever makes the steps.
typedef struct LoopMove {
    const char *from; // both begin on 64 bytes, and `bytes` and what is added to them are multiples of it
    char *to;
    int64_t bytes, from_step, to_step; // what is copied, and how far `from` and `to` go on after each copy
    int64_t wait, every;               // steps before the next copy, 0: it is due; and from one copy to the next
} LoopMove;
enum { LOOP_MOVE_UNIT = 64 }; // bytes

// What compiled code is called with. `arrays` holds one address per array of the program. One call makes one step, or
// several in a row under the same guards: each makes the moves before it in their order, then the entry's calls, then
// the moves after it. No move of one list touches what another of that list writes, unless it stands behind it.
typedef struct LoopArguments {
    int64_t batch, batch_padded; // samples, and the same rounded up to LOOP_PAD
    uint64_t active;             // guards that hold in these steps
    int64_t steps;               // 0 or 1: one
    LoopMove *before, *after;
    int64_t before_count, after_count;
    int64_t part;             // entries for several threads only: number of this one (0 makes the moves),
    void (*wait)(void *team); // what it calls between levels, and with what
    void *team;
} LoopArguments;
typedef void LoopFunction(void *const *arrays, const LoopArguments *arguments);

void loop_move(LoopMove *moves, int64_t count); // makes those that are due in this step
int64_t loop_pad(int64_t count, int64_t multiple);
int64_t loop_pad_samples(int64_t samples); // LoopArguments.batch_padded as an instance has it: a multiple of LOOP_PAD
LoopSize loop_array_size(const LoopArray *array);                  // elements with padding
LoopSize loop_array_stride(const LoopArray *array, uint32_t axis); // axis == rank: the batch axis
// Whether calls of the kernel have accesses with strides and offsets: all but contractions.
bool loop_kernel_is_nest(const LoopKernel *kernel);
// How an access of a kernel moves along an axis if all of its calls agree and it is still or contiguous; else
// LOOP_STRIDED.
LoopStride loop_movement(const LoopProgram *program, uint32_t kernel, uint32_t access, uint32_t axis);
// The axis of a kernel that goes in vectors: the last one, unless that would go lane by lane and another axis is
// contiguous everywhere. The kernel has at least one axis.
uint32_t loop_vector_axis(const LoopProgram *program, uint32_t kernel);

// divide.c: adds entries that do the same as those that there are, to the bit, by `parts` threads together: calls that
// take long at such a batch are cut into panels of rows, and what does not depend on each other runs side by side.
void loop_program_divide(LoopProgram *program, uint32_t parts, int64_t batch);
// How long the first entry takes, roughly: a number of elementary operations.
double loop_program_operations(const LoopProgram *program, int64_t batch);

void loop_call_free(LoopCall *call);
LoopCall loop_call_copy(const LoopProgram *program, const LoopCall *call);
void loop_program_free(LoopProgram *program);
void loop_program_dump(const LoopProgram *program, Text *out);
// NULL when the program is well formed, else what is wrong with it (a compiler bug). The text is the caller's to free.
char *loop_program_verify(const LoopProgram *program);

// The reference implementation of the loops form, for tests of back ends against it: interprets one entry, slowly.
// Elementwise operations are rounded as the kernel's element type says; sums run in index order in double.
void loop_program_interpret(const LoopProgram *program, uint32_t entry, void *const *arrays,
                            const LoopArguments *arguments);

#endif
