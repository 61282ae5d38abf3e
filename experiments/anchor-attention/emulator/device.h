// In the place of the kernels' assembly, bfloat16 alone. Copies and products are done at once: what may be in flight together, and in which registers, is not checked.
#pragma once
static const int SharedBytes = 232448; // of a block
static char shared_bytes[SharedBytes + 1024];
static char* const shared_memory = (char*)(((size_t)shared_bytes + 1023) / 1024 * 1024);

inline u32 shared_address(const void* p)
{
    const long place = (const char*)p - shared_memory;
    if (place < 0 || place >= SharedBytes)
    {
        fail("an address outside of shared memory");
    }
    return (u32)place;
}
template <int Bytes> inline void copy(u32 to, const void* from, bool valid)
{
    if (to + Bytes > SharedBytes || to % Bytes != 0)
    {
        fail("a copy to a place outside of shared memory");
    }
    valid ? memcpy(shared_memory + to, from, Bytes) : memset(shared_memory + to, 0, Bytes);
}
inline void copy16(u32 to, const void* from, bool valid) { copy<16>(to, from, valid); }
inline void copy8(u32 to, const void* from, bool valid) { copy<8>(to, from, valid); }
inline void copy_commit() {}
template <int Pending> inline void copy_wait() {}
inline void show_to_products() {}
inline void products_begin() {}
inline void products_commit() {}
template <int Pending> inline void products_wait() {}
template <int Count> inline void hold(float (&)[Count][4]) {}
inline void hold(u32 (&)[4]) {}
template <int Registers> inline void become_copier() {}
template <int Registers> inline void become_unit() {}

// Of older devices: not emulated.
inline void load_matrix(u32 (&)[4], u32) { fail("ldmatrix"); }
inline void load_matrix_transposed(u32 (&)[4], u32) { fail("ldmatrix"); }
inline void multiply(float (&)[4], const u32 (&)[4], u32, u32) { fail("mma.sync"); }

inline u32 pack(float low, float high) { return rounded(low) | rounded(high) << 16; }
inline float low_of(u32 x) { return number_of(x << 16); }
inline float high_of(u32 x) { return number_of(x & 0xffff0000u); }
inline float exp2_of(float x) { return exp2f(x); }
inline void add2(float* to, float x, float y) { to[0] += x, to[1] += y; }

inline int sum_of_warp(int x)
{
    for (int step = 16; step > 0; step /= 2)
    {
        x += __shfl_xor_sync(~0u, x, step);
    }
    return x;
}
template <int Threads> inline void wait_for_group(int barrier) { groups[barrier].wait(Threads); }
inline void barrier_make(u32 barrier, int count) { barriers[barrier] = {count, count, 0}; }
inline void barrier_arrive(u32 barrier)
{
    SharedBarrier& b = barriers[barrier];
    if (--b.missing == 0)
    {
        b.missing = b.count, b.phase++;
    }
}
inline void barrier_arrive_with_copies(u32 barrier) { barrier_arrive(barrier); }
inline void barrier_wait(u32 barrier, u32 parity)
{
    while ((barriers[barrier].phase & 1) == (int)parity)
    {
        let_others_run();
    }
}

// wgmma: a number of a tile in shared memory, of which a descriptor tells the address and how far 64 columns are from the next. Pieces of 16 bytes are exchanged within 1,024.
inline float number_at(u32 address)
{
    address ^= (address >> 7 & 7) << 4;
    unsigned short x;
    memcpy(&x, shared_memory + address, 2);
    return number_of((u32)x << 16);
}
inline float of_row(u32 descriptor, int row, int k) { return number_at(((descriptor & 0x3fff) << 4) + row * 128 + k * 2); }
inline float of_column(u32 descriptor, int k, int column)
{
    return number_at(((descriptor & 0x3fff) << 4) + k * 128 + column % 64 * 2 + column / 64 * ((descriptor >> 16 & 0x3fff) << 4));
}

// The sums and fragments of a warp group's threads.
struct WarpGroup
{
    float (*sums[128])[4];
    u32 factors[128][4];
    Meeting meeting;

    float& sum(int row, int column) { return sums[row / 16 * 32 + row % 8 * 4 + column % 8 / 2][column / 8][row % 16 / 8 * 2 + column % 2]; }
    float factor(int row, int k)
    {
        const u32 x = factors[row / 16 * 32 + row % 8 * 4 + k % 8 / 2][k / 8 * 2 + row % 16 / 8];
        return k % 2 == 1 ? high_of(x) : low_of(x);
    }
};
static WarpGroup warp_groups[4];

// The last of a warp group's threads does the product of all.
template <class Left, class Right> inline void product(float (*sums)[4], const u32* factors, int columns, bool add, Left left, Right right)
{
    WarpGroup& group = warp_groups[current / 128];
    group.sums[current % 128] = sums;
    if (factors)
    {
        memcpy(group.factors[current % 128], factors, 16);
    }
    if (group.meeting.arrived == 127)
    {
        for (int row = 0; row < 64; row++)
            for (int column = 0; column < columns; column++)
            {
                float sum = add ? group.sum(row, column) : 0;
                for (int k = 0; k < 16; k++)
                {
                    sum += left(group, row, k) * right(k, column);
                }
                group.sum(row, column) = sum;
            }
    }
    group.meeting.wait(128);
}
inline void by_values(float (*c)[4], const u32 (&a)[4], u32 b, int columns)
{
    product(c, a, columns, true, [](WarpGroup& group, int row, int k) { return group.factor(row, k); }, [=](int k, int column) { return of_column(b, k, column); });
}
inline void multiply_tiles(float (*c)[4], u32 a, u32 b, int add)
{
    product(c, nullptr, 64, add != 0, [=](WarpGroup&, int row, int k) { return of_row(a, row, k); }, [=](int k, int column) { return of_row(b, column, k); });
}
inline void multiply_rows(float (*c)[4], const u32 (&a)[4], u32 b) { by_values(c, a, b, 64); }
inline void multiply_values(float (*c)[4], const u32 (&a)[4], u32 b) { by_values(c, a, b, D); }
