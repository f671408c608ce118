/*
The economy of the paper preset as a program in C: what the simulator is measured against.

Written stage by stage after sim/demand.py and sim/epoch.py, with the same random numbers,
rounding and order. Compiled at bench time together with a header that is made from
`economy` and `world_parameters`: the numbers of services, kinds and days, prices, payment
matrix, trends, and the place of every row (`Rows`). Open: services, kinds, windows, every
parameter of `layout`, the variables that are kept. Fixed, and checked when the header is
made: one project; switch to Phase 2 by time; premium, net base and net bonds; corrected
dollar reserve; circulating and locked supply; bonds slashed to the reserve; independent
noise; mean-reverting sentiment.

LANES worlds go through a day together, in loops over lanes that the compiler vectorises.
-DLANES=1 is the plain program: one world after the other, one number a variable.
*/

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "economy.h" /* made at bench time */

#define EACH_LANE _Pragma("omp simd") for (int j = 0; j < LANES; j++)
#define REDUCE \
    _Pragma("omp simd reduction(+:total) reduction(min:smallest) reduction(max:largest)")
#define UNROLL _Pragma("GCC unroll 64")
#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))

/* The simulator's compiler joins a product and a sum where the processor can. These
must be joined in the same places, or normals differ in their last bit. */
#ifdef __FMA__
#define FMAF(a, b, c) __builtin_fmaf(a, b, c)
#else
#define FMAF(a, b, c) ((a) * (b) + (c))
#endif

typedef double Row[LANES];

typedef struct {
    Row w[ROWS];
    Row p[PARAMETERS];
    float z[SERVICES + 1][LANES];
    uint32_t streams[4][LANES];
} ALIGNED Block;

INLINE double least(double a, double b) { return a < b ? a : b; }
INLINE double most(double a, double b) { return a > b ? a : b; }

INLINE double exponential(double x)
{
    x = least(most(x, -700.0), 700.0);
    double n = floor(x * 1.4426950408889634 + 0.5);
    double r = x - n * 6.93145751953125e-1 - n * 1.42860682030941723212e-6;
    double p = 1.6059043836821613e-10;
    p = p * r + 2.08767569878681e-09;
    p = p * r + 2.505210838544172e-08;
    p = p * r + 2.755731922398589e-07;
    p = p * r + 2.7557319223985893e-06;
    p = p * r + 2.48015873015873e-05;
    p = p * r + 1.984126984126984e-04;
    p = p * r + 1.388888888888889e-03;
    p = p * r + 8.333333333333333e-03;
    p = p * r + 4.1666666666666664e-02;
    p = p * r + 1.6666666666666666e-01;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    union { int64_t bits; double number; } power = {((int64_t)n + 1023) << 52};
    return p * power.number;
}

/* random numbers */

INLINE float logarithm(float x)
{
    union { float number; int32_t bits; } in = {x}, out;
    int32_t exponent = (in.bits - 0x3F3504F3) >> 23;
    out.bits = in.bits - (int32_t)((uint32_t)exponent << 23);
    float m = out.number - 1.0f, e = (float)exponent, square = m * m;
    float y = 7.0376836292e-2f;
    y = FMAF(y, m, -1.1514610310e-1f);
    y = FMAF(y, m, 1.1676998740e-1f);
    y = FMAF(y, m, -1.2420140846e-1f);
    y = FMAF(y, m, 1.4249322787e-1f);
    y = FMAF(y, m, -1.6668057665e-1f);
    y = FMAF(y, m, 2.0000714765e-1f);
    y = FMAF(y, m, -2.4999993993e-1f);
    y = FMAF(y, m, 3.3333331174e-1f);
    y = FMAF(y * m, square, -2.12194440e-4f * e);
    y = FMAF(-0.5f, square, y);
    return FMAF(0.693359375f, e, m + y);
}

INLINE float normal(uint32_t bits)
{
    float x = FMAF((float)(int32_t)(bits >> 9) + 0.5f, 0x1p-22f, -1.0f);
    float w = -logarithm((1.0f - x) * (1.0f + x));
    float a = w - 2.5f, b = sqrtf(w) - 3.0f;
    float p = 2.81022636e-08f, q = -0.000200214257f;
    p = FMAF(p, a, 3.43273939e-07f);
    p = FMAF(p, a, -3.5233877e-06f);
    p = FMAF(p, a, -4.39150654e-06f);
    p = FMAF(p, a, 0.00021858087f);
    p = FMAF(p, a, -0.00125372503f);
    p = FMAF(p, a, -0.00417768164f);
    p = FMAF(p, a, 0.246640727f);
    p = FMAF(p, a, 1.50140941f);
    q = FMAF(q, b, 0.000100950558f);
    q = FMAF(q, b, 0.00134934322f);
    q = FMAF(q, b, -0.00367342844f);
    q = FMAF(q, b, 0.00573950773f);
    q = FMAF(q, b, -0.0076224613f);
    q = FMAF(q, b, 0.00943887047f);
    q = FMAF(q, b, 1.00167406f);
    q = FMAF(q, b, 2.83297682f);
    return 1.41421356237f * (w < 5.0f ? p : q) * x;
}

INLINE uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

INLINE void draw_normals(uint32_t (*streams)[LANES], float (*z)[LANES], int count)
{
    for (int i = 0; i < count; i++)
        EACH_LANE {
            uint32_t s0 = streams[0][j], s1 = streams[1][j];
            uint32_t s2 = streams[2][j], s3 = streams[3][j];
            uint32_t total = s0 + s3, shifted = s1 << 9;
            uint32_t bits = ((total << 7) | (total >> 25)) + s0;
            s2 ^= s0;
            s3 ^= s1;
            s1 ^= s2;
            s0 ^= s3;
            s2 ^= shifted;
            s3 = (s3 << 11) | (s3 >> 21);
            streams[0][j] = s0;
            streams[1][j] = s1;
            streams[2][j] = s2;
            streams[3][j] = s3;
            z[i][j] = normal(bits);
        }
}

/* participants */

INLINE void demand_jobs(Row *w, Row *p, float (*z)[LANES], int day)
{
    for (int s = 0; s < SERVICES; s++) {
        double mean = DEMAND_MEAN[day][s], noise = DEMAND_NOISE[day][s];
        EACH_LANE {
            double drawn =
                p[DEMAND_SCALE][j] * (mean + noise * p[NOISE_SCALE][j] * z[s][j]);
            w[SERVICE_JOBS + s][j] = floor(most(0.0, drawn) + 0.5);
        }
    }
}

INLINE void consumer_sentiment(Row *w, Row *p, float (*z)[LANES], int day)
{
    double shock = SENTIMENT_SHOCK[day];
    EACH_LANE {
        double mean = p[SENTIMENT_MEAN][j], level = w[SENTIMENT_LEVEL][j];
        level = most(0.0, level + p[SENTIMENT_SPEED][j] * (mean - level) +
                              p[SENTIMENT_VOLATILITY][j] * mean * z[SERVICES][j]);
        w[SENTIMENT_LEVEL][j] = level;
        w[SENTIMENT][j] = floor(level * shock);
    }
}

INLINE void move_suppliers(Row *w, Row *p, int day)
{
    EACH_LANE {
        w[ENTERED][j] = 0.0;
        w[EXITED][j] = 0.0;
    }
    for (int i = 0; i < KINDS; i++) {
        double entry = day > 0 ? ENTRY_RATE_MAX[i] : 0.0;
        double leave = day > 0 ? EXIT_RATE_MAX[i] : 0.0;
        EACH_LANE {
            double now = w[KIND_SUPPLIERS + i][j];
            double target = TARGETS[i] * (1.0 - w[PROJECT_PHASE][j]);
            double margin =
                w[KIND_EARNINGS + i][j] / (most(now, 1.0) * SUPPLIER_COST[i]) - 1.0;
            double rate =
                least(entry, most(-leave, p[SUPPLIER_RESPONSE][j] * margin));
            rate = now < target ? entry : rate;
            double inclination = most(rate > 0.0 ? 1.0 : 0.0,
                                      w[KIND_INCLINATION + i][j] * (1.0 + rate));
            double after = floor(inclination);
            w[KIND_INCLINATION + i][j] = inclination;
            w[KIND_SUPPLIERS + i][j] = after;
            w[ENTERED][j] += most(0.0, after - now);
            w[EXITED][j] += most(0.0, now - after);
        }
    }
    EACH_LANE w[SUPPLIERS][j] += w[ENTERED][j] - w[EXITED][j];
}

/* the day-close */

INLINE void process_income(Row *w, Row *p, int day)
{
    EACH_LANE {
        double jobs = 0.0, value = 0.0, income = 0.0, demand[KINDS];
        UNROLL for (int i = 0; i < KINDS; i++) demand[i] = 0.0;
        UNROLL for (int s = 0; s < SERVICES; s++) {
            double created = w[SERVICE_JOBS + s][j];
            double failed = floor(created * p[FAILURE_RATE][j]);
            double paid = (created - failed) * JOB_PRICES[s];
            jobs += created;
            value += created * JOB_PRICES[s];
            income += paid;
            UNROLL for (int i = 0; i < KINDS; i++)
                if (SHARES[s][i] > 0.0)
                    demand[i] += paid * SHARES[s][i];
        }
        UNROLL for (int i = 0; i < KINDS; i++) w[PROJECT_DEMAND + i][j] = demand[i];
        w[JOBS][j] = jobs;
        w[JOB_VALUE][j] = value;
        w[INCOME][j] = income;
        w[FAILED_VALUE][j] = value - income;
    }
    EACH_LANE {
        double filled = 0.0;
        UNROLL for (int i = 0; i < KINDS; i++)
            filled += least(TARGETS[i], w[KIND_SUPPLIERS + i][j]);
        w[PROJECT_LEFT][j] = most(0.0, w[PROJECT_FILLED][j] - filled);
        w[PROJECT_FILLED][j] = filled;
    }
    double *past = w[PAST_INCOME + day % ONBOARDING_WINDOW_DAYS];
    double *exits = w[PAST_EXITS + day % ONBOARDING_WINDOW_DAYS];
    EACH_LANE {
        double income = w[INCOME][j];
        double operations = ceil(income * p[OPERATIONS_FRACTION][j]);
        double net = income - operations;
        double capital = floor(net * p[BUYBACK_RATE][j]);
        double spent = floor(operations * p[OPERATIONS_SPEND_FRACTION][j]);
        w[CAPITAL][j] = capital;
        w[DOLLARS][j] = net - capital;
        w[OPERATIONS][j] += operations - spent;
        w[CARRIED_CAPITAL][j] += capital;
        w[WINDOW_INCOME][j] += income - past[j];
        past[j] = income;
        w[WINDOW_EXITS][j] += w[EXITED][j] - exits[j];
        exits[j] = w[EXITED][j];
    }
}

INLINE double phase1_slice(double allotment, int day)
{
    double whole = floor(allotment / PHASE1_MAX_DAYS);
    double rest = allotment - whole * PHASE1_MAX_DAYS;
    return whole + floor(rest * (day + 1.0) / PHASE1_MAX_DAYS) -
           floor(rest * day / PHASE1_MAX_DAYS);
}

INLINE void process_price(Row *w, Row *p, int day)
{
    EACH_LANE {
        double locked = w[PROJECT_LOCKED][j] + w[BONDED][j];
        if (day < PHASE1_MAX_DAYS) {
            double day_slice = phase1_slice(p[ALLOTMENT][j], day);
            locked += floor(day_slice * w[PROJECT_FILLED][j] / SLOTS) *
                      (1.0 - w[PROJECT_PHASE][j]);
        }
        double active = w[SUPPLIERS][j] - w[ENTERED][j] + w[WINDOW_EXITS][j];
        double fee =
            ceil(w[WINDOW_INCOME][j] * p[ONBOARDING_RATE][j] / most(active, 1.0));
        fee = active > 0.0 ? fee : 0.0;
        double bonds = ceil(w[JOB_VALUE][j] * p[BOND_RATE][j]);
        double demand = most(0.0, w[SENTIMENT][j] + fee * w[ENTERED][j] +
                                      (bonds - w[BONDED_VALUE][j]) + w[CAPITAL][j] +
                                      p[GOVERNANCE_VALUE][j]);
        double supply = w[CIRCULATING][j] + locked;
        double price = demand / (most(supply, 1.0) * p[VELOCITY_PER_DAY][j]);
        price = supply > 0.0 ? price : 0.0;
        w[ONBOARDING_USD][j] = fee;
        w[BONDED_VALUE][j] = ceil(w[INCOME][j] * p[BOND_RATE][j]);
        w[DEMAND][j] = demand;
        w[PRICE][j] = most(p[PRICE_FLOOR][j], price);
    }
}

INLINE void process_buyback(Row *w, Row *p)
{
    EACH_LANE {
        double price = w[PRICE][j], circulating = w[CIRCULATING][j];
        double capital = w[INCOME][j] > 0.0 ? w[CARRIED_CAPITAL][j] : 0.0;
        double impact = price * p[PRICE_PREMIUM][j];
        double wanted = floor(capital / (price + impact));
        double bought = least(wanted, circulating);
        double cost = least(capital, ceil(bought * (price + impact)));
        w[CARRIED_CAPITAL][j] -= bought == wanted ? capital : cost;
        w[BOUGHT][j] = bought;
        w[CIRCULATING][j] = circulating - bought;
    }
    EACH_LANE {
        double price = w[PRICE][j], circulating = w[CIRCULATING][j];
        double fee =
            most(p[MIN_ONBOARDING_FEE][j], ceil(w[ONBOARDING_USD][j] / price));
        double fees = least(fee * w[ENTERED][j], circulating);
        double available = circulating - fees + w[BONDED][j];
        double value = w[JOB_VALUE][j];
        double bond = least(ceil(value * p[BOND_RATE][j] / price), available);
        double slashed =
            least(ceil(bond * w[FAILED_VALUE][j] / most(value, 1.0)), bond);
        w[FEES][j] = fees;
        w[FREE_RESERVE][j] = w[FREE_RESERVE][j] + fees + slashed;
        w[SLASHED][j] = slashed;
        w[BONDED][j] = bond - slashed;
        w[CIRCULATING][j] = available - bond;
    }
}

INLINE void process_emission(Row *w, Row *p, int day)
{
    double vesting = VESTING[day];
    EACH_LANE {
        double paid = 1.0 - w[PROJECT_PHASE][j], locked = w[PROJECT_LOCKED][j];
        double reserve = w[FREE_RESERVE][j], accrued = 0.0;
        double gone = w[PROJECT_LEFT][j] * paid;
        double lost = least(
            ceil(locked * gone / most(w[PROJECT_FILLED][j] + gone, 1.0)), locked);
        locked -= lost;
        reserve += lost;
        if (day < PHASE1_MAX_DAYS) {
            double day_slice = phase1_slice(p[ALLOTMENT][j], day) * paid;
            accrued = floor(day_slice * w[PROJECT_FILLED][j] / SLOTS);
            w[PROJECT_PHASE1][j] -= accrued;
            locked += accrued;
        }
        w[PHASE1_RELEASED][j] = accrued;
        w[PROJECT_LOCKED][j] = locked;
        w[FREE_RESERVE][j] = reserve;
        w[FUNDS][j] -= vesting;
        w[CIRCULATING][j] += vesting;
    }
    EACH_LANE {
        double amount = p[MINT_AMOUNT][j];
        double income = w[INCOME][j] * w[PROJECT_PHASE][j];
        double theta = w[POOL_THETA][j] +
                       income * p[PHASE2_MODULATION][j] /
                           (w[PRICE][j] * p[JOB_REWARD_MODULATION][j] *
                            most(amount, 1.0));
        double total = floor(amount * (1.0 - exponential(-theta)));
        w[POOL_INCOME][j] = income;
        w[POOL_THETA][j] = theta;
        w[EMITTED][j] = total - w[POOL_MINTED][j];
        w[POOL_MINTED][j] = total;
    }
}

INLINE void process_payouts(Row *w, Row *p)
{
    EACH_LANE {
        double paid = w[DOLLARS][j] + w[BOUGHT][j] * w[PRICE][j];
        double emitted = w[EMITTED][j] * w[PRICE][j];
        double income = most(w[INCOME][j], 1.0);
        double income2 = most(w[POOL_INCOME][j], 1.0);
        double phase = w[PROJECT_PHASE][j];
        UNROLL for (int i = 0; i < KINDS; i++) {
            double demand = w[PROJECT_DEMAND + i][j];
            w[KIND_EARNINGS + i][j] =
                paid * demand / income + emitted * (demand * phase) / income2;
        }
        double burned =
            least(floor(w[BOUGHT][j] * p[BURN_FRACTION][j]), w[FREE_RESERVE][j]);
        w[FREE_RESERVE][j] -= burned;
        w[BURNED][j] += burned;
        w[CIRCULATING][j] += w[BOUGHT][j] + w[EMITTED][j];
    }
}

INLINE void process_validators(Row *w, Row *p)
{
    EACH_LANE {
        double validations =
            floor(w[JOBS][j] * p[VALIDATORS_PER_JOB][j] * p[VALIDATION_RATE][j]);
        double due = w[VALIDATORS_OWED][j] + validations * p[VALIDATOR_REWARD][j];
        double paid = least(due, w[FREE_RESERVE][j]);
        w[VALIDATORS_PAID][j] = paid;
        w[VALIDATORS_OWED][j] = due - paid;
        w[FREE_RESERVE][j] -= paid;
        w[CIRCULATING][j] += paid;
    }
}

INLINE void process_reserve(Row *w, Row *p)
{
    EACH_LANE {
        double price = w[PRICE][j];
        double reserve = w[FREE_RESERVE][j] + p[UNASSIGNED_RESERVE][j] +
                         p[MINT_AMOUNT][j] + w[PROJECT_PHASE1][j] - w[POOL_MINTED][j];
        double low = floor(p[INITIAL_RESERVE][j] * p[RESERVE_FLOOR_FRACTION][j]);
        double goal = floor(p[INITIAL_RESERVE][j] * p[RESERVE_TARGET_FRACTION][j]);
        double refilling = most(w[REFILLING][j], reserve <= low ? 1.0 : 0.0);
        refilling = reserve < goal ? refilling : 0.0;
        double budget = least(p[MAX_DAILY_BUYBACK][j], w[OPERATIONS][j]) * refilling;
        double impact = price * p[PRICE_PREMIUM][j];
        double wanted =
            least(floor(budget / (price + impact)), most(goal - reserve, 0.0));
        double tokens = least(wanted, w[CIRCULATING][j]);
        w[REFILLED][j] = tokens;
        w[OPERATIONS][j] -= least(budget, ceil(tokens * (price + impact)));
        w[CIRCULATING][j] -= tokens;
        w[FREE_RESERVE][j] += tokens;
        w[TOKEN_RESERVE][j] = reserve + tokens;
        w[REFILLING][j] = reserve + tokens < goal ? refilling : 0.0;
    }
}

INLINE void process_phases(Row *w, int day)
{
    double by_time = day + 1 >= PHASE1_MAX_DAYS ? 1.0 : 0.0;
    EACH_LANE {
        double phase = w[PROJECT_PHASE][j], locked = w[PROJECT_LOCKED][j];
        double phase1 = w[PROJECT_PHASE1][j];
        double change = most(by_time, phase1 <= 0.0 ? 1.0 : 0.0) * (1.0 - phase);
        w[PROJECT_PHASE][j] = phase + change;
        w[CIRCULATING][j] += locked * change;
        w[FREE_RESERVE][j] += phase1 * change;
        locked -= locked * change;
        w[PROJECT_LOCKED][j] = locked;
        w[PROJECT_PHASE1][j] = phase1 - phase1 * change;
        w[LOCKED][j] = locked + w[BONDED][j];
        w[DOLLAR_RESERVE][j] = w[OPERATIONS][j] + w[CARRIED_CAPITAL][j];
    }
}

INLINE void run_day(Block *b, int day)
{
    draw_normals(b->streams, b->z, SERVICES + 1);
    demand_jobs(b->w, b->p, b->z, day);
    consumer_sentiment(b->w, b->p, b->z, day);
    move_suppliers(b->w, b->p, day);
    process_income(b->w, b->p, day);
    process_price(b->w, b->p, day);
    process_buyback(b->w, b->p);
    process_emission(b->w, b->p, day);
    process_payouts(b->w, b->p);
    process_validators(b->w, b->p);
    process_reserve(b->w, b->p);
    process_phases(b->w, day);
}

static void start_streams(uint32_t (*streams)[LANES], uint64_t seed, uint64_t world,
                          int j)
{
    uint64_t golden = 0x9E3779B97F4A7C15u;
    uint64_t key = mix(mix(seed + golden) ^ (world * golden)), other = mix(key + golden);
    streams[0][j] = (uint32_t)key;
    streams[1][j] = (uint32_t)(key >> 32);
    streams[2][j] = (uint32_t)other;
    streams[3][j] = (uint32_t)(other >> 32) | 1u;
}

static void start_block(Block *b, const double *point, uint64_t seed, int64_t first,
                        int64_t last)
{
    memset(b->w, 0, sizeof b->w);
    for (int j = 0; j < LANES; j++) {
        int64_t world = first + j < last ? first + j : last;
        start_streams(b->streams, seed, (uint64_t)world, j);
        for (int i = 0; i < PARAMETERS; i++) b->p[i][j] = point[i];
        for (int i = 0; i < ROWS; i++) b->w[i][j] = START[i];
    }
}

/* Keep the rows `kept` of every day: paths[blocks][DAYS][keeps][LANES]. */
void run_paths(const double *point, uint64_t seed, int64_t first, int64_t last,
               int64_t blocks, const int64_t *kept, int64_t keeps, double *paths)
{
    Block b;
    for (int64_t block = 0; block < blocks; block++) {
        start_block(&b, point, seed, first + block * LANES, last);
        for (int day = 0; day < DAYS; day++) {
            run_day(&b, day);
            for (int64_t v = 0; v < keeps; v++) {
                memcpy(paths, b.w[kept[v]], sizeof(Row));
                paths += LANES;
            }
        }
    }
}

INLINE void count_row(const double *row, int64_t valid, double edge, double scale,
                      double last_bin, int32_t *table, double *moments)
{
    int32_t bin[LANES] ALIGNED;
    double total = 0.0, smallest = row[0], largest = row[0];
    EACH_LANE bin[j] = (int32_t)least(most((row[j] - edge) * scale, 0.0), last_bin);
    if (valid == LANES) {
        REDUCE
        for (int j = 0; j < LANES; j++) {
            total += row[j];
            smallest = least(smallest, row[j]);
            largest = most(largest, row[j]);
        }
        for (int j = 0; j < LANES; j++) table[bin[j]]++;
    } else
        for (int64_t j = 0; j < valid; j++) {
            table[bin[j]]++;
            total += row[j];
            smallest = least(smallest, row[j]);
            largest = most(largest, row[j]);
        }
    moments[0] += total;
    moments[1] = least(moments[1], smallest);
    moments[2] = most(moments[2], largest);
}

/*
Count values in bins: counts[DAYS][keeps][bins], moments[DAYS][keeps][3]. As in the
simulator, TOGETHER blocks go through a day together, for the cache's sake.
*/
void run_counts(const double *point, uint64_t seed, int64_t first, int64_t count,
                const int64_t *kept, int64_t keeps, const double *low,
                const double *per_bin, int64_t bins, int32_t *counts, double *moments)
{
    Block *all = aligned_alloc(64, TOGETHER * sizeof(Block));
    if (all == NULL) abort();
    for (int64_t start = 0; start < count; start += TOGETHER * LANES) {
        int64_t blocks = (count - start + LANES - 1) / LANES;
        if (blocks > TOGETHER) blocks = TOGETHER;
        for (int64_t b = 0; b < blocks; b++)
            start_block(&all[b], point, seed, first + start + b * LANES,
                        first + count - 1);
        for (int day = 0; day < DAYS; day++) {
            for (int64_t b = 0; b < blocks; b++) run_day(&all[b], day);
            for (int64_t v = 0; v < keeps; v++) {
                int64_t place = day * keeps + v;
                double edge = low[place], scale = per_bin[place];
                for (int64_t b = 0; b < blocks; b++) {
                    int64_t valid = count - start - b * LANES;
                    count_row(all[b].w[kept[v]], valid < LANES ? valid : LANES, edge,
                              scale, (double)bins - 1.0, counts + place * bins,
                              moments + 3 * place);
                }
            }
        }
    }
    free(all);
}

/* Keep the normals of every day: normals[worlds][DAYS][SERVICES + 1]. */
void keep_normals(uint64_t seed, int64_t first, int64_t worlds, float *normals)
{
    uint32_t streams[4][LANES];
    float z[SERVICES + 1][LANES];
    for (int64_t start = 0; start < worlds; start += LANES) {
        for (int j = 0; j < LANES; j++)
            start_streams(streams, seed, (uint64_t)(first + start + j), j);
        for (int day = 0; day < DAYS; day++) {
            draw_normals(streams, z, SERVICES + 1);
            for (int64_t j = 0; j < LANES && start + j < worlds; j++)
                for (int64_t i = 0; i <= SERVICES; i++)
                    normals[((start + j) * DAYS + day) * (SERVICES + 1) + i] = z[i][j];
        }
    }
}

/* The limits of a machine: normals that stay in the cache, and memory that is filled. */

float time_normals(int64_t rounds)
{
    uint32_t streams[4][LANES] ALIGNED;
    float z[SERVICES + 1][LANES] ALIGNED;
    float sum = 0.0f;
    for (int j = 0; j < LANES; j++) start_streams(streams, 1, (uint64_t)j, j);
    for (int64_t i = 0; i < rounds; i++) {
        draw_normals(streams, z, SERVICES + 1);
        sum += z[i % SERVICES][i % LANES];
    }
    return sum;
}

void fill(double *memory, int64_t count, double value)
{
    /* Volatile in steps: or the compiler calls memset, which picks its own stores. */
    for (int64_t i = 0; i < count; i += 8) {
        for (int k = 0; k < 8; k++) memory[i + k] = value;
        __asm__ volatile("" : : "r"(memory) : "memory");
    }
}

#ifdef __AVX__
#include <immintrin.h>
int fill_around_cache(double *memory, int64_t count, double value)
{
    double *aligned = (double *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    double *end = memory + count;
#ifdef __AVX512F__
    __m512d eight = _mm512_set1_pd(value);
    for (; aligned + 8 <= end; aligned += 8) _mm512_stream_pd(aligned, eight);
#else
    __m256d four = _mm256_set1_pd(value);
    for (; aligned + 4 <= end; aligned += 4) _mm256_stream_pd(aligned, four);
#endif
    _mm_sfence();
    return 1;
}
#else
int fill_around_cache(double *memory, int64_t count, double value) { return 0; }
#endif
