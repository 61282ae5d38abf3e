// Rotary positions (Su et al. 2021) of a layer's queries and keys, both at once. NVRTC compiles this file without any header; the host's side is
// Moodle/Encoders/Cuda/RotaryFunction.cs.
typedef long long i64;
typedef unsigned short bf16;

__device__ __forceinline__ float from(float x) { return x; }
__device__ __forceinline__ float from(bf16 x) { return __uint_as_float((unsigned)x << 16); }

__device__ __forceinline__ void put(float* at, float x) { *at = x; }
__device__ __forceinline__ void put(bf16* at, float x)
{
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(*at) : "f"(x));
}

// Four numbers that are read and written as one.
template <typename T>
struct __align__(4 * sizeof(T)) Four
{
    T of[4];
};

// packed and turned are [tokens, 3, heads, d]: queries, keys and values. Each thread takes four pairs of dimensions; values are only copied. direction is 1, or
// -1 for the gradient.
template <typename T>
__device__ __forceinline__ void turn(const T* packed, T* turned, const float* cosine, const float* sine, int tokens, int heads, int half, int direction)
{
    const int steps = half / 4;
    const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x, rows = (i64)tokens * 3 * heads;
    if (at >= rows * steps)
    {
        return;
    }
    const i64 row = at / steps, token = row / (3 * heads), first = row * 2 * half + at % steps * 4;
    Four<T> a = *(const Four<T>*)(packed + first), b = *(const Four<T>*)(packed + first + half);
    if (row % (3 * heads) < 2 * heads)
    {
        const i64 angle = token * half + at % steps * 4;
        const Four<float> c = *(const Four<float>*)(cosine + angle), s = *(const Four<float>*)(sine + angle);
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            const float x = from(a.of[i]), y = from(b.of[i]), turning = direction * s.of[i];
            put(&a.of[i], x * c.of[i] - y * turning);
            put(&b.of[i], y * c.of[i] + x * turning);
        }
    }
    *(Four<T>*)(turned + first) = a;
    *(Four<T>*)(turned + first + half) = b;
}

#define TURN(name, type) \
    extern "C" __global__ void __launch_bounds__(256) \
    name(const type* __restrict__ packed, type* __restrict__ turned, const float* __restrict__ cosine, const float* __restrict__ sine, \
        int tokens, int heads, int half, int direction) \
    { \
        turn(packed, turned, cosine, sine, tokens, heads, half, direction); \
    }

TURN(turn_float32, float)
TURN(turn_bfloat16, bf16)
