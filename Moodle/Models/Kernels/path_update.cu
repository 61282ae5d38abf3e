// What a layer makes of states and messages, and the gradient. After path_prelude.cu.

// A layer's change of the states. A row is an entity's state for one query, rows in the order entity, query; size / 8 threads take one, a power of two up to 32.
struct Update
{
    const float* scales;   // [entities]
    const float* inverses; // [entities]
    const float* weight;   // of the norm: [size]
    const float* bias;
    const i64* seed;       // of the dropout
    i64 rows;
    int queries, size;
    unsigned dropped;      // of 65,536
};

// The sum over the threads of a row, or with from = size / 8 and to = 32 over the rows of a warp.
__device__ __forceinline__ float sum_of(float x, int from, int to)
{
    for (int step = to / 2; step >= from; step /= 2)
    {
        x += __shfl_xor_sync(ALL, x, step);
    }
    return x;
}

// What dropout multiplies eight numbers by; the same again for the gradient.
__device__ __forceinline__ Eight kept(const Update& u, i64 thread)
{
    Eight by = filled(1);
    if (u.dropped == 0)
    {
        return by;
    }
    const float factor = 65536.0f / (65536 - u.dropped);
#pragma unroll
    for (int half = 0; half < 2; half++)
    {
        // SplitMix64 (Steele et al. 2014).
        unsigned long long x = *u.seed + (2 * thread + half + 1) * 0x9e3779b97f4a7c15ull;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ x >> 27) * 0x94d049bb133111ebull;
        x ^= x >> 31;
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            by.of[4 * half + i] = (unsigned)(x >> 16 * i & 0xffff) < u.dropped ? 0 : factor;
        }
    }
    return by;
}

// Grid: threads for eight numbers each. next = states + dropout(relu(norm(own + p0 + scale * p1 + p2 / scale))), p the parts [rows, 3 size] and all others [rows, size].
// For the gradient: normal, what the norm makes before its weight and bias, and roots [rows], what it multiplied by; or null.
extern "C" __global__ void __launch_bounds__(256)
path_update(const u16* __restrict__ own, const u16* __restrict__ parts, const u16* __restrict__ states, u16* __restrict__ next, u16* __restrict__ normal,
    float* __restrict__ roots, Update u)
{
    const int threads = u.size / 8;
    const i64 thread = (i64)blockIdx.x * 256 + threadIdx.x;
    const bool live = thread < u.rows * threads;
    const i64 row = live ? thread / threads : 0;
    const int column = (int)(thread % threads) * 8;
    const int entity = (int)(row / u.queries);
    const float scale = u.scales[entity], inverse = u.inverses[entity];
    const u16* part = parts + row * 3 * u.size + column;
    const uint4 x0 = load(own + row * u.size + column), x1 = load(part), x2 = load(part + u.size), x3 = load(part + 2 * u.size);
    const uint4 before = load(states + row * u.size + column);
    Eight x;
    float sum = 0, square = 0;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        x.of[i] = number(x0, i) + number(x1, i) + scale * number(x2, i) + inverse * number(x3, i);
        sum += x.of[i];
    }
    const float mean = sum_of(sum, 1, threads) / u.size;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        x.of[i] -= mean;
        square += x.of[i] * x.of[i];
    }
    const float root = rsqrtf(sum_of(square, 1, threads) / u.size + 1e-5f);
    const Eight by = kept(u, thread);
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        x.of[i] *= root;
    }
    // Of the numbers that the gradient will see: it has to find the same ones above zero.
    const uint4 rounded = packed(x);
    Eight after;
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        const float y = fmaf(number(rounded, i), u.weight[column + i], u.bias[column + i]);
        after.of[i] = number(before, i) + by.of[i] * (y <= 0 ? 0 : y); // what is no number stays none
    }
    if (live)
    {
        store(next + row * u.size + column, after);
        if (normal != 0)
        {
            *(uint4*)(normal + row * u.size + column) = rounded;
            if (column == 0)
            {
                roots[row] = root;
            }
        }
    }
}

// Grid: any number of blocks. The gradients of own and parts, and, added in no fixed order, those of the norm's weight and bias and of what is added to own in every row:
// toVectors [3, size].
extern "C" __global__ void __launch_bounds__(256)
path_update_gradient(const u16* __restrict__ gradient, const u16* __restrict__ normal, const float* __restrict__ roots, u16* __restrict__ toOwn,
    u16* __restrict__ toParts, float* __restrict__ toVectors, Update u)
{
    __shared__ float sums[3][256];
    sums[0][threadIdx.x] = sums[1][threadIdx.x] = sums[2][threadIdx.x] = 0;
    __syncthreads();
    const int threads = u.size / 8, column = (int)(threadIdx.x % threads) * 8;
    const i64 all = u.rows * threads;
    Eight toWeight = filled(0), toBias = filled(0), toAll = filled(0);
    for (i64 thread = (i64)blockIdx.x * 256 + threadIdx.x; thread - (threadIdx.x & 31) < all; thread += (i64)gridDim.x * 256)
    {
        const bool live = thread < all;
        const i64 row = live ? thread / threads : 0;
        const uint4 y = load(normal + row * u.size + column), g = load(gradient + row * u.size + column);
        const Eight by = kept(u, thread);
        Eight x;
        float sum = 0, product = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            const float weight = u.weight[column + i], from = number(y, i);
            const float d = live && fmaf(from, weight, u.bias[column + i]) > 0 ? number(g, i) * by.of[i] : 0;
            toWeight.of[i] += d * from;
            toBias.of[i] += d;
            x.of[i] = d * weight;
            sum += x.of[i];
            product += x.of[i] * from;
        }
        sum = sum_of(sum, 1, threads) / u.size;
        product = sum_of(product, 1, threads) / u.size;
        const int entity = (int)(row / u.queries);
        const float root = roots[row], scale = u.scales[entity], inverse = u.inverses[entity];
        Eight scaled, divided;
#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            x.of[i] = root * (x.of[i] - sum - number(y, i) * product);
            scaled.of[i] = scale * x.of[i];
            divided.of[i] = inverse * x.of[i];
            toAll.of[i] += live ? x.of[i] : 0;
        }
        if (live)
        {
            u16* part = toParts + row * 3 * u.size + column;
            store(toOwn + row * u.size + column, x);
            store(part, x);
            store(part + u.size, scaled);
            store(part + 2 * u.size, divided);
        }
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
    {
        const float weight = sum_of(toWeight.of[i], threads, 32), bias = sum_of(toBias.of[i], threads, 32), all = sum_of(toAll.of[i], threads, 32);
        if ((threadIdx.x & 31) < threads)
        {
            atomicAdd(&sums[0][column + i], weight);
            atomicAdd(&sums[1][column + i], bias);
            atomicAdd(&sums[2][column + i], all);
        }
    }
    __syncthreads();
    if (threadIdx.x < u.size)
    {
#pragma unroll
        for (int i = 0; i < 3; i++)
        {
            atomicAdd(toVectors + i * u.size + threadIdx.x, sums[i][threadIdx.x]);
        }
    }
}
