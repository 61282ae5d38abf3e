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

__device__ __forceinline__ float cubed(float re, float im)
{
    const float squared = re * re + im * im;
    return squared * sqrtf(squared);
}

// Grid: queries. ComplEx (Trouillon et al. 2016): queries h∘r [queries, 2 rank]; where pairs is given, conj(h)∘t of each answer [answers, 2 rank], whose
// product with a relation scores the triple; and the sum of all triples' N3 (Lacroix et al. 2018), added to *norm.
extern "C" __global__ void __launch_bounds__(THREADS)
complex_forward(float* __restrict__ queries, float* __restrict__ pairs, float* __restrict__ norm, Triples step)
{
    const Tables& t = step.tables;
    const Batch& b = step.batch;
    const int row = blockIdx.x, rank = t.rank, first = first_answer(b, row);
    const float* h = head_of(t, b.heads[row]);
    const float* r = t.relations + b.relations[row] * 2 * rank;
    float* q = queries + (i64)row * 2 * rank;
    const float weight = b.weights[row];
    float sum = 0;
    for (int k = threadIdx.x; k < rank; k += THREADS)
    {
        const float hr = h[k], hi = h[k + rank], rr = r[k], ri = r[k + rank];
        q[k] = hr * rr - hi * ri;
        q[k + rank] = hr * ri + hi * rr;
        sum += weight * (cubed(hr, hi) + cubed(rr, ri));
        for (int a = first; a < b.answerCount && b.rows[a] == row; a++)
        {
            const float* tail = t.entities + b.answers[a] * 2 * rank;
            const float tr = tail[k], ti = tail[k + rank];
            sum += b.counts[a] * cubed(tr, ti);
            if (pairs != 0)
            {
                float* pair = pairs + (i64)a * 2 * rank;
                pair[k] = hr * tr + hi * ti;
                pair[k + rank] = hr * ti - hi * tr;
            }
        }
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0)
    {
        atomicAdd(norm, sum);
    }
}

// Grid: queries. Adds to the tables' gradients what the queries' and the pairs' gradients and n3 * factor times the norm's say.
extern "C" __global__ void __launch_bounds__(THREADS)
complex_backward(const float* __restrict__ queryGradients, const float* __restrict__ pairGradients, const float* __restrict__ factor, float n3,
    float* __restrict__ entityGradients, float* __restrict__ relationGradients, float* __restrict__ missingGradients, Triples step)
{
    const Tables& t = step.tables;
    const Batch& b = step.batch;
    const int row = blockIdx.x, rank = t.rank, first = first_answer(b, row);
    const i64 head = b.heads[row], relation = b.relations[row];
    const float* h = head_of(t, head);
    const float* r = t.relations + relation * 2 * rank;
    const float* dq = queryGradients + (i64)row * 2 * rank;
    float* toHead = lacks(t, head) ? missingGradients : entityGradients + head * 2 * rank;
    float* toRelation = relationGradients + relation * 2 * rank;
    const float cube = 3 * n3 * *factor, weight = b.weights[row] * cube;
    for (int k = threadIdx.x; k < rank; k += THREADS)
    {
        const float hr = h[k], hi = h[k + rank], rr = r[k], ri = r[k + rank], qr = dq[k], qi = dq[k + rank];
        const float hm = weight * sqrtf(hr * hr + hi * hi), rm = weight * sqrtf(rr * rr + ri * ri);
        float dhr = qr * rr + qi * ri + hm * hr, dhi = qi * rr - qr * ri + hm * hi;
        atomicAdd(toRelation + k, qr * hr + qi * hi + rm * rr);
        atomicAdd(toRelation + k + rank, qi * hr - qr * hi + rm * ri);
        for (int a = first; a < b.answerCount && b.rows[a] == row; a++)
        {
            const i64 answer = b.answers[a] * 2 * rank;
            const float tr = t.entities[answer + k], ti = t.entities[answer + k + rank], tm = b.counts[a] * cube * sqrtf(tr * tr + ti * ti);
            float dtr = tm * tr, dti = tm * ti;
            if (pairGradients != 0)
            {
                const float* pair = pairGradients + (i64)a * 2 * rank;
                const float pr = pair[k], pi = pair[k + rank];
                dtr += pr * hr - pi * hi;
                dti += pr * hi + pi * hr;
                dhr += pr * tr + pi * ti;
                dhi += pr * ti - pi * tr;
            }
            atomicAdd(entityGradients + answer + k, dtr);
            atomicAdd(entityGradients + answer + k + rank, dti);
        }
        atomicAdd(toHead + k, dhr);
        atomicAdd(toHead + k + rank, dhi);
    }
}
