// Gradients of the queries on compute capability 9.0, by the warp groups of units.cu.
#if HOPPER
#define QUERY_UNITS (D == 64 ? 3 : 2) // a unit's sums and two kinds of products are many registers
#define QUERY_THREADS (128 * (1 + QUERY_UNITS))
#define QUERY_STAGES (D == 64 ? 5 : 4)
#define QUERY_COPIER_REGISTERS (D == 64 ? 72 : 40)
#define QUERY_UNIT_REGISTERS (D == 64 ? 144 : 232)

struct QueryTile
{
    uint4 k[BACKWARD_SLOTS * CHUNKS], v[BACKWARD_SLOTS * CHUNKS];
};

struct QueryShared
{
    uint4 q[QUERY_UNITS][UNIT * CHUNKS];
    uint4 grad[QUERY_UNITS][UNIT * CHUNKS];
    QueryTile tiles[QUERY_STAGES];
    int list[WINDOW];
    u64 full[QUERY_STAGES], empty[QUERY_STAGES];
};

struct QueryUnit : RowGradients
{
    u32 queries, grads; // descriptors
};
#define QUERY_STEP (u32)(sizeof(QueryTile) / 16)

// logits = q kT and products = grad vT of a tile.
__device__ __forceinline__ void query_products(float (&logits)[BACKWARD_SLOTS / 8][4], float (&products)[BACKWARD_SLOTS / 8][4], const QueryUnit& unit, u32 tile)
{
    hold(logits);
    hold(products);
    products_begin();
#pragma unroll
    for (int ks = 0; ks < KSTEPS; ks++)
    {
        const u32 row = ((ks >> 2) * UNIT * 128 + (ks & 3) * 32) / 16, key = ((ks >> 2) * BACKWARD_SLOTS * 128 + (ks & 3) * 32) / 16;
        multiply_tiles(logits, unit.queries + row, tile + key, ks > 0);
        multiply_tiles(products, unit.grads + row, tile + BACKWARD_SLOTS * CHUNKS + key, ks > 0);
    }
    products_commit();
}

// Gradients of the logits, without the scale, as factors of 16 bits; of slots as in hide.
template <class Sees>
__device__ __forceinline__ void query_slopes(
    u32 (&slopes)[BACKWARD_SLOTS / 16][4], float (&logits)[BACKWARD_SLOTS / 8][4], const float (&products)[BACKWARD_SLOTS / 8][4], const QueryUnit& unit, int first, int count, const Sees& sees, int row)
{
#pragma unroll
    for (int nt = 0; nt < BACKWARD_SLOTS / 8; nt++)
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            logits[nt][i] = exp2_of(fmaf(logits[nt][i], SCALE2, -unit.logSum[i >> 1])) * (products[nt][i] - unit.delta[i >> 1]);
        }
    hide<BACKWARD_SLOTS>(logits, 0, first, count, sees, row);
#pragma unroll
    for (int js = 0; js < BACKWARD_SLOTS / 16; js++)
    {
        slopes[js][0] = pack(logits[js * 2][0], logits[js * 2][1]);
        slopes[js][1] = pack(logits[js * 2][2], logits[js * 2][3]);
        slopes[js][2] = pack(logits[js * 2 + 1][0], logits[js * 2 + 1][1]);
        slopes[js][3] = pack(logits[js * 2 + 1][2], logits[js * 2 + 1][3]);
    }
}

// sum += slopes k
__device__ __forceinline__ void query_blend(QueryUnit& unit, const u32 (&slopes)[BACKWARD_SLOTS / 16][4], u32 tile)
{
    hold(unit.sum);
    products_begin();
#pragma unroll
    for (int js = 0; js < BACKWARD_SLOTS / 16; js++)
    {
        multiply_values(unit.sum, slopes[js], tile + js * 16 * 128 / 16);
    }
    products_commit();
}

// Over the first `count` of `copied` keys. The next tile's products are begun behind the gradients of this one.
template <class Sees>
__device__ __forceinline__ void query_gradients(QueryShared& s, QueryUnit& unit, int count, int copied, const Sees& sees, int row, Stage<QUERY_STAGES>& stage)
{
    const u32 full = shared_address(s.full), empty = shared_address(s.empty);
    const u32 tiles = descriptor(shared_address(s.tiles[0].k)), across = shared_address(s.tiles[0].k) >> 4 | (D == 64 ? 64u : (u32)(BACKWARD_SLOTS * 128 / 16)) << 16;
    int first = 0;
    if (count > 0)
    {
        float logits[BACKWARD_SLOTS / 8][4], products[BACKWARD_SLOTS / 8][4];
        u32 slopes[BACKWARD_SLOTS / 16][4];
        take_tile(full, stage.index, stage.parity);
        query_products(logits, products, unit, tiles + stage.index * QUERY_STEP);
        products_wait<0>();
        hold(logits);
        hold(products);
        for (; first + BACKWARD_SLOTS < count; first += BACKWARD_SLOTS)
        {
            query_slopes(slopes, logits, products, unit, first, count, sees, row);
            query_blend(unit, slopes, across + stage.index * QUERY_STEP);
            const u32 before = stage.index;
            stage.advance();
            take_tile(full, stage.index, stage.parity);
            query_products(logits, products, unit, tiles + stage.index * QUERY_STEP);
            products_wait<1>();
            hold(unit.sum);
#pragma unroll
            for (int js = 0; js < BACKWARD_SLOTS / 16; js++)
            {
                hold(slopes[js]);
            }
            give_back(empty, before);
            products_wait<0>();
            hold(logits);
            hold(products);
        }
        query_slopes(slopes, logits, products, unit, first, count, sees, row);
        query_blend(unit, slopes, across + stage.index * QUERY_STEP);
        products_wait<0>();
        hold(unit.sum);
        give_back(empty, stage.index);
        stage.advance();
        first += BACKWARD_SLOTS;
    }
    for (; first < copied; first += BACKWARD_SLOTS) // what others read
    {
        barrier_wait(full + stage.index * 8, stage.parity);
        give_back(empty, stage.index);
        stage.advance();
    }
}

// As the kernel of this name in query_backward.cu. Grid: groups times their blocks of QUERY_UNITS * UNIT rows, heads.
extern "C" __global__ void __launch_bounds__(QUERY_THREADS, 1)
query_backward(const u16* __restrict__ q, const u16* __restrict__ k, const u16* __restrict__ v, const u16* __restrict__ output, const u16* __restrict__ grad,
    const float* __restrict__ logSums, const u32* __restrict__ masks, const int* __restrict__ pool, const Listed* __restrict__ lists, float2* __restrict__ rowSums, u16* __restrict__ gradQ,
    const Group* __restrict__ groups, Shape p)
{
    extern __shared__ __align__(1024) uint4 memory[];
    QueryShared& s = *(QueryShared*)memory;
    const WideRows<QUERY_UNITS> rows(groups, p);
    if (rows.units <= 0)
    {
        return;
    }
    make_barriers(s.full, s.empty, rows.units * 4);
    const int own = unit_of_thread();
    const Group& g = rows.g;
    const Bounds b = bounds_of(g, p);
    const AnchorKeys key(b);
    const long long offset = g.base + blockIdx.y * p.headStride, row0 = (long long)blockIdx.y * p.rows + g.row0;
    const int copied = rows.anchor_keys(rows.units - 1, b);
    if (own < 0)
    {
        become_copier<QUERY_COPIER_REGISTERS>();
        Copier<BACKWARD_SLOTS, QUERY_STAGES> copier(s.tiles, s.full, s.empty, k + offset, v + offset, p);
        for (int first = 0; first < copied; first += BACKWARD_SLOTS)
        {
            copier.copy(first, [&](int slot) { return key(min2(slot, copied - 1)); });
        }
        Stripes<128, 1> stripes(masks, pool, lists, rows.group, g, blockIdx.y, p, s.list);
        copier.copy_stripes(stripes, s.list);
        return;
    }

    become_unit<QUERY_UNIT_REGISTERS>();
    if (own >= rows.units)
    {
        return;
    }
    const int lane = threadIdx.x & 31, firstRow = rows.first_row(own), warpRow = firstRow + (threadIdx.x >> 5 & 3) * 16, ownRow = warpRow + (lane >> 2);
    QueryUnit unit = {};
    unit.queries = load_unit(s.q, own, q + offset, p.rowStride, firstRow, rows.end);
    unit.grads = load_unit(s.grad, own, grad + offset, p.rowStride, firstRow, rows.end);
    unit.read_rows(output + offset, grad + offset, logSums + row0, rowSums + row0, ownRow, firstRow, rows.end, p.rowStride);
    const int count = count_stripes(lists + ((long long)blockIdx.y * p.groups + rows.group) * p.chunks, p.chunks);
    unit_wait(own);
    Stage<QUERY_STAGES> stage = {};
    query_gradients(s, unit, rows.anchor_keys(own, b), copied, SeesAnchors{key, warpRow}, ownRow, stage);
    query_gradients(s, unit, count, count, SeesAll{}, ownRow, stage);
    unit.write(gradQ + offset, ownRow, rows.end, p.rowStride);
}
#endif
