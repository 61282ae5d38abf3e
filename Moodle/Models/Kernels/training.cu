// Kernels of a 1-vs-all training step. NVRTC compiles this file without any header; the host's side is Moodle/Models/Cuda.
typedef long long i64;

#define THREADS 256
#define INFINITE __int_as_float(0x7f800000)

// A batch of queries with their answers; the answers of a query follow each other.
struct Batch
{
    const i64* heads;         // [queries]
    const i64* relations;     // [queries]
    const float* weights;     // [queries]
    const i64* rows;          // [answers], ascending: the query of each
    const i64* answers;       // [answers]
    const float* counts;      // [answers]
    int queries, answerCount;
};

__device__ __forceinline__ float sum_of_warp(float x)
{
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
    {
        x += __shfl_xor_sync(~0u, x, step);
    }
    return x;
}

// The sum over all threads, for every thread.
__device__ __forceinline__ float sum_of_block(float x)
{
    __shared__ float parts[THREADS / 32];
    x = sum_of_warp(x);
    __syncthreads();
    if ((threadIdx.x & 31) == 0)
    {
        parts[threadIdx.x >> 5] = x;
    }
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int i = 0; i < THREADS / 32; i++)
    {
        sum += parts[i];
    }
    return sum;
}

// The first answer that belongs to a query from `row` on.
__device__ __forceinline__ int first_answer(const Batch& b, int row)
{
    int low = 0, high = b.answerCount;
    while (low < high)
    {
        const int middle = (low + high) / 2;
        if (b.rows[middle] < row)
        {
            low = middle + 1;
        }
        else
        {
            high = middle;
        }
    }
    return low;
}

// Grid: queries. log-sum-exp of each row of logits [queries, columns], and each query's cross-entropy, summed over its triples. Columns past the entities hold
// -infinity; their number is a multiple of 4 where vectors are read.
extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy(const float* __restrict__ logits, float* __restrict__ logSums, float* __restrict__ losses, int columns, int entities, float smoothing, Batch b)
{
    const int row = blockIdx.x;
    const float* z = logits + (i64)row * columns;
    float highest = -INFINITE, sum = 0, plain = 0;
    for (int i = threadIdx.x * 4; i < columns; i += THREADS * 4)
    {
        const float4 v = *(const float4*)(z + i);
        const float x[4] = {v.x, v.y, v.z, v.w};
        const float most = fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w));
        if (most > highest)
        {
            sum *= __expf(highest - most);
            highest = most;
        }
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            sum += highest == -INFINITE ? 0 : __expf(x[j] - highest);
            plain += i + j < entities ? x[j] : 0;
        }
    }
    // The highest of the block, then all sums on its scale.
    __shared__ float tops[THREADS / 32];
    float top = highest;
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
    {
        top = fmaxf(top, __shfl_xor_sync(~0u, top, step));
    }
    if ((threadIdx.x & 31) == 0)
    {
        tops[threadIdx.x >> 5] = top;
    }
    __syncthreads();
    top = tops[0];
#pragma unroll
    for (int i = 1; i < THREADS / 32; i++)
    {
        top = fmaxf(top, tops[i]);
    }
    sum = sum_of_block(highest == -INFINITE ? 0 : sum * __expf(highest - top));
    plain = smoothing > 0 ? sum_of_block(plain) : 0;
    float gold = 0;
    for (int a = first_answer(b, row) + threadIdx.x; a < b.answerCount && b.rows[a] == row; a += THREADS)
    {
        gold += z[b.answers[a]] * b.counts[a];
    }
    gold = sum_of_block(gold);
    if (threadIdx.x == 0)
    {
        const float total = top + logf(sum), weight = b.weights[row];
        logSums[row] = total;
        losses[row] = weight * total - (1 - smoothing) * gold - smoothing * weight * plain / entities;
    }
}

// Grid: queries. The gradient of the sum of all losses times factor * scale, in the place of the logits. others: what else adds to it, rows of `entities`
// numbers, or null.
extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy_gradient(float* __restrict__ logits, const float* __restrict__ logSums, const float* __restrict__ others, const float* __restrict__ factor,
    int columns, int entities, float smoothing, float scale, Batch b)
{
    const int row = blockIdx.x;
    const i64 start = (i64)row * columns;
    const float each = *factor * scale, weight = b.weights[row] * each, evenly = smoothing * weight / entities, total = logSums[row];
    for (int i = threadIdx.x * 4; i < columns; i += THREADS * 4)
    {
        const float4 v = *(const float4*)(logits + start + i);
        float x[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            x[j] = i + j < entities ? weight * __expf(x[j] - total) - evenly + (others == 0 ? 0 : others[(i64)row * entities + i + j]) : 0;
        }
        *(float4*)(logits + start + i) = make_float4(x[0], x[1], x[2], x[3]);
    }
    __syncthreads();
    for (int a = first_answer(b, row) + threadIdx.x; a < b.answerCount && b.rows[a] == row; a += THREADS)
    {
        // No answer stands twice in a row.
        logits[start + b.answers[a]] -= (1 - smoothing) * b.counts[a] * each;
    }
}

// A branch's tables. An entity that lacks the modality (available < 0.5) asks with `missing`.
struct Tables
{
    const float* entities;  // [|E|, 2 rank]: real parts, then imaginary ones
    const float* relations; // [2|R|, 2 rank]
    const float* available; // [|E|] or null
    const float* missing;   // [2 rank] or null
    int rank;
};

struct Triples
{
    Tables tables;
    Batch batch;
};

__device__ __forceinline__ bool lacks(const Tables& t, i64 head) { return t.available != 0 && t.available[head] < 0.5f; }

__device__ __forceinline__ const float* head_of(const Tables& t, i64 head) { return lacks(t, head) ? t.missing : t.entities + head * 2 * t.rank; }

// N numbers that follow each other.
template <int N>
struct Numbers
{
    float of[N];
};

template <int N>
__device__ __forceinline__ Numbers<N> load(const float* at)
{
    Numbers<N> x;
    if (N == 4)
    {
        const float4 v = *(const float4*)at;
        x.of[0] = v.x;
        x.of[1 % N] = v.y;
        x.of[2 % N] = v.z;
        x.of[3 % N] = v.w;
    }
    else
    {
#pragma unroll
        for (int i = 0; i < N; i++)
        {
            x.of[i] = at[i];
        }
    }
    return x;
}

template <int N>
__device__ __forceinline__ void store(float* at, const Numbers<N>& x)
{
    if (N == 4)
    {
        *(float4*)at = make_float4(x.of[0], x.of[1 % N], x.of[2 % N], x.of[3 % N]);
    }
    else
    {
#pragma unroll
        for (int i = 0; i < N; i++)
        {
            at[i] = x.of[i];
        }
    }
}

template <int N>
__device__ __forceinline__ void add(float* to, const Numbers<N>& x)
{
#if __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ >= 12
    if (N == 4)
    {
        asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(x.of[0]), "f"(x.of[1 % N]), "f"(x.of[2 % N]), "f"(x.of[3 % N]) : "memory");
        return;
    }
#endif
#pragma unroll
    for (int i = 0; i < N; i++)
    {
        atomicAdd(to + i, x.of[i]);
    }
}

__device__ __forceinline__ float cubed(float re, float im)
{
    const float squared = re * re + im * im;
    return squared * sqrtf(squared);
}

// N numbers of a thread at a time, of which the rank is a multiple.
template <int N>
__device__ __forceinline__ void forward(float* queries, float* pairs, float* norm, const Tables& t, const Batch& b)
{
    const int row = blockIdx.x, rank = t.rank, first = first_answer(b, row);
    const float* h = head_of(t, b.heads[row]);
    const float* r = t.relations + b.relations[row] * 2 * rank;
    float* q = queries + (i64)row * 2 * rank;
    const float weight = b.weights[row];
    float sum = 0;
    for (int k = threadIdx.x * N; k < rank; k += THREADS * N)
    {
        const Numbers<N> hr = load<N>(h + k), hi = load<N>(h + k + rank), rr = load<N>(r + k), ri = load<N>(r + k + rank);
        Numbers<N> re, im;
#pragma unroll
        for (int i = 0; i < N; i++)
        {
            re.of[i] = hr.of[i] * rr.of[i] - hi.of[i] * ri.of[i];
            im.of[i] = hr.of[i] * ri.of[i] + hi.of[i] * rr.of[i];
            sum += weight * (cubed(hr.of[i], hi.of[i]) + cubed(rr.of[i], ri.of[i]));
        }
        store(q + k, re);
        store(q + k + rank, im);
        for (int a = first; a < b.answerCount && b.rows[a] == row; a++)
        {
            const float* tail = t.entities + b.answers[a] * 2 * rank;
            const Numbers<N> tr = load<N>(tail + k), ti = load<N>(tail + k + rank);
            const float count = b.counts[a];
#pragma unroll
            for (int i = 0; i < N; i++)
            {
                sum += count * cubed(tr.of[i], ti.of[i]);
                re.of[i] = hr.of[i] * tr.of[i] + hi.of[i] * ti.of[i];
                im.of[i] = hr.of[i] * ti.of[i] - hi.of[i] * tr.of[i];
            }
            if (pairs != 0)
            {
                float* pair = pairs + (i64)a * 2 * rank;
                store(pair + k, re);
                store(pair + k + rank, im);
            }
        }
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0)
    {
        atomicAdd(norm, sum);
    }
}

// Grid: queries. ComplEx (Trouillon et al. 2016): queries h∘r [queries, 2 rank]; where pairs is given, conj(h)∘t of each answer [answers, 2 rank], whose
// product with a relation scores the triple; and the sum of all triples' N3 (Lacroix et al. 2018), added to *norm.
extern "C" __global__ void __launch_bounds__(THREADS)
complex_forward(float* __restrict__ queries, float* __restrict__ pairs, float* __restrict__ norm, Triples step)
{
    forward<1>(queries, pairs, norm, step.tables, step.batch);
}

// The same where the rank is a multiple of 4.
extern "C" __global__ void __launch_bounds__(THREADS)
complex_forward_by_4(float* __restrict__ queries, float* __restrict__ pairs, float* __restrict__ norm, Triples step)
{
    forward<4>(queries, pairs, norm, step.tables, step.batch);
}

template <int N>
__device__ __forceinline__ void backward(const float* queryGradients, const float* pairGradients, const float* factor, float n3, float* entityGradients,
    float* relationGradients, float* missingGradients, const Tables& t, const Batch& b)
{
    const int row = blockIdx.x, rank = t.rank, first = first_answer(b, row);
    const i64 head = b.heads[row], relation = b.relations[row];
    const float* h = head_of(t, head);
    const float* r = t.relations + relation * 2 * rank;
    const float* dq = queryGradients + (i64)row * 2 * rank;
    float* toHead = lacks(t, head) ? missingGradients : entityGradients + head * 2 * rank;
    float* toRelation = relationGradients + relation * 2 * rank;
    const float cube = 3 * n3 * *factor, weight = b.weights[row] * cube;
    for (int k = threadIdx.x * N; k < rank; k += THREADS * N)
    {
        const Numbers<N> hr = load<N>(h + k), hi = load<N>(h + k + rank), rr = load<N>(r + k), ri = load<N>(r + k + rank), qr = load<N>(dq + k), qi = load<N>(dq + k + rank);
        Numbers<N> dhr, dhi, re, im;
#pragma unroll
        for (int i = 0; i < N; i++)
        {
            const float hm = weight * sqrtf(hr.of[i] * hr.of[i] + hi.of[i] * hi.of[i]), rm = weight * sqrtf(rr.of[i] * rr.of[i] + ri.of[i] * ri.of[i]);
            dhr.of[i] = qr.of[i] * rr.of[i] + qi.of[i] * ri.of[i] + hm * hr.of[i];
            dhi.of[i] = qi.of[i] * rr.of[i] - qr.of[i] * ri.of[i] + hm * hi.of[i];
            re.of[i] = qr.of[i] * hr.of[i] + qi.of[i] * hi.of[i] + rm * rr.of[i];
            im.of[i] = qi.of[i] * hr.of[i] - qr.of[i] * hi.of[i] + rm * ri.of[i];
        }
        add(toRelation + k, re);
        add(toRelation + k + rank, im);
        for (int a = first; a < b.answerCount && b.rows[a] == row; a++)
        {
            const i64 answer = b.answers[a] * 2 * rank;
            const Numbers<N> tr = load<N>(t.entities + answer + k), ti = load<N>(t.entities + answer + k + rank);
            Numbers<N> pr = {}, pi = {};
            if (pairGradients != 0)
            {
                const float* pair = pairGradients + (i64)a * 2 * rank;
                pr = load<N>(pair + k);
                pi = load<N>(pair + k + rank);
            }
            const float each = b.counts[a] * cube;
#pragma unroll
            for (int i = 0; i < N; i++)
            {
                const float tm = each * sqrtf(tr.of[i] * tr.of[i] + ti.of[i] * ti.of[i]);
                re.of[i] = tm * tr.of[i] + pr.of[i] * hr.of[i] - pi.of[i] * hi.of[i];
                im.of[i] = tm * ti.of[i] + pr.of[i] * hi.of[i] + pi.of[i] * hr.of[i];
                dhr.of[i] += pr.of[i] * tr.of[i] + pi.of[i] * ti.of[i];
                dhi.of[i] += pr.of[i] * ti.of[i] - pi.of[i] * tr.of[i];
            }
            add(entityGradients + answer + k, re);
            add(entityGradients + answer + k + rank, im);
        }
        add(toHead + k, dhr);
        add(toHead + k + rank, dhi);
    }
}

// Grid: queries. Adds to the tables' gradients what the queries' and the pairs' gradients and n3 * factor times the norm's say.
extern "C" __global__ void __launch_bounds__(THREADS)
complex_backward(const float* __restrict__ queryGradients, const float* __restrict__ pairGradients, const float* __restrict__ factor, float n3,
    float* __restrict__ entityGradients, float* __restrict__ relationGradients, float* __restrict__ missingGradients, Triples step)
{
    backward<1>(queryGradients, pairGradients, factor, n3, entityGradients, relationGradients, missingGradients, step.tables, step.batch);
}

// The same where the rank is a multiple of 4.
extern "C" __global__ void __launch_bounds__(THREADS)
complex_backward_by_4(const float* __restrict__ queryGradients, const float* __restrict__ pairGradients, const float* __restrict__ factor, float n3,
    float* __restrict__ entityGradients, float* __restrict__ relationGradients, float* __restrict__ missingGradients, Triples step)
{
    backward<4>(queryGradients, pairGradients, factor, n3, entityGradients, relationGradients, missingGradients, step.tables, step.batch);
}
