-- The one definition of the datasets. Every CSV file beside this one is append-only: rows are added at the end, never
-- edited, so that prices/aws.csv:12 is a permanent address. A correction is a new row whose `supersedes` holds the old
-- address; `withdrawn` (a day) ends what its row describes. The type `unit` is made from workbench/units.py by the loader, which
-- also adds the column `place` (FILE:LINE, relative to this folder) to every table.

CREATE TYPE evidence AS ENUM ('measured', 'yours', 'listed', 'reported', 'estimated'); -- strongest first
CREATE TYPE confidence AS ENUM ('high', 'medium', 'low');
CREATE TYPE basis AS ENUM ('on_demand', 'spot', 'serverless', 'flex_start', 'capacity_block', 'committed',
                           'marketplace', 'contract', 'owned');
CREATE TYPE upfront AS ENUM ('none', 'partial', 'all', 'unknown');
CREATE TYPE price_kind AS ENUM ('offer', 'reference');
CREATE TYPE provider_kind AS ENUM ('hyperscaler', 'neocloud', 'marketplace', 'sovereign', 'other');
CREATE TYPE workload_class AS ENUM ('prefill', 'decode', 'training', 'image');
CREATE TYPE service_category AS ENUM ('egress', 'inter_region', 'inter_zone', 'storage', 'support', 'platform_premium',
                                      'platform_fee', 'control_plane', 'cpu', 'memory', 'region_multiplier', 'network',
                                      'switching', 'credit', 'licence');

-- A day is text: a day, a month, a quarter's or year's interval. It is visible from its last day or its recorded day,
-- whichever is earlier, and aged from its first.
CREATE MACRO first_day(d) AS TRY_CAST(CASE length(d) WHEN 4 THEN d || '-01-01' WHEN 7 THEN d || '-01' ELSE d END AS DATE);
CREATE MACRO last_day_of(d) AS CASE length(d) WHEN 4 THEN TRY_CAST(d || '-12-31' AS DATE)
                                              WHEN 7 THEN last_day(first_day(d)) ELSE first_day(d) END;
CREATE MACRO is_day(d) AS regexp_full_match(d, '\d{4}(-\d{2}(-\d{2})?)?') AND first_day(d) IS NOT NULL;

CREATE TABLE sources (
    source VARCHAR NOT NULL UNIQUE,       -- short id, the key that all other files use
    title VARCHAR NOT NULL,
    address VARCHAR NOT NULL,             -- web address, or repository@commit with path, or the project's own script
    kind VARCHAR NOT NULL CHECK (kind IN ('provider', 'documentation', 'price_api', 'repository', 'aggregator', 'press',
                                          'blog', 'paper', 'filing', 'constant', 'computed', 'ours')),
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    licence VARCHAR
);
COMMENT ON COLUMN sources.source IS 'short id; every row of every other file names one';

CREATE TABLE prices (
    provider VARCHAR NOT NULL,            -- as in providers.csv
    product VARCHAR NOT NULL,             -- EC2, SageMaker, Compute, Vertex AI, VM, Azure ML, pods, serverless, cloud, ...
    sku VARCHAR NOT NULL,
    gpu VARCHAR NOT NULL,                 -- as in hardware.csv
    gpu_count DOUBLE NOT NULL CHECK (gpu_count > 0),      -- accelerators in one instance of this SKU
    max_gpus DOUBLE CHECK (max_gpus >= gpu_count),        -- most that one instance or container may hold, where sold singly
    region VARCHAR NOT NULL,              -- the seller's code, 'global', or 'unstated'
    basis basis NOT NULL,
    term_months INTEGER CHECK (term_months > 0),
    upfront upfront NOT NULL,
    kind price_kind NOT NULL,             -- an average, a 'from' or an 'up to' is a reference, never an offer
    value DOUBLE NOT NULL CHECK (value > 0 AND isfinite(value)),
    low DOUBLE CHECK (low > 0 AND low <= value),
    high DOUBLE CHECK (high >= value AND isfinite(high)),
    unit unit NOT NULL CHECK (unit IN ('USD/GPU-hour', 'USD/instance-hour', 'USD/chip-hour')),
    currency VARCHAR NOT NULL CHECK (regexp_full_match(currency, '[A-Z]{3}')),
    vcpu DOUBLE CHECK (vcpu > 0),         -- of one instance
    ram_gib DOUBLE CHECK (ram_gib > 0),   -- of one instance
    gpu_memory_gb DOUBLE CHECK (gpu_memory_gb > 0),
    quantum_s DOUBLE CHECK (quantum_s > 0),               -- billing granularity; blank where the source does not say
    minimum_s DOUBLE CHECK (minimum_s >= 0),
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,                 -- for an estimate: the rows or figures it comes from, separated by '; '
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK ((basis = 'committed') = (term_months IS NOT NULL)),
    CHECK (basis = 'committed' OR upfront IN ('none', 'all')),
    CHECK (evidence <> 'estimated' OR (low IS NOT NULL AND high IS NOT NULL AND derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (provider, product, sku, gpu, gpu_count, gpu_memory_gb, region, basis, term_months, upfront, as_of, source)
);
COMMENT ON COLUMN prices.value IS 'price in unit; an instance price is divided by gpu_count on load';

CREATE TABLE services (
    provider VARCHAR NOT NULL,
    product VARCHAR,                      -- blank: every product of the provider
    category service_category NOT NULL,
    plan VARCHAR NOT NULL,                -- internet, premium, standard / object, object_cool, file, block / business, enterprise / ...
    region VARCHAR,                       -- a market (US, EU, ...) or a region code; blank: everywhere
    tier_from DOUBLE CHECK (tier_from >= 0),              -- in tier_unit; blank where there are no tiers
    tier_to DOUBLE CHECK (tier_to > tier_from),           -- blank: no upper end
    tier_unit unit CHECK (tier_unit IN ('GB', 'GiB', 'TB', 'USD/month')),
    value DOUBLE NOT NULL CHECK (value >= 0 AND isfinite(value)),
    low DOUBLE CHECK (low >= 0 AND low <= value),
    high DOUBLE CHECK (high >= value AND isfinite(high)),
    unit unit NOT NULL,
    minimum DOUBLE CHECK (minimum >= 0),  -- USD a month
    currency VARCHAR NOT NULL CHECK (regexp_full_match(currency, '[A-Z]{3}')),
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    valid_from DATE,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK ((tier_from IS NULL) = (tier_unit IS NULL)),
    CHECK (evidence <> 'estimated' OR (low IS NOT NULL AND high IS NOT NULL AND derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (provider, product, category, plan, region, tier_from, unit, as_of, source)
);

CREATE TABLE assumptions (
    name VARCHAR NOT NULL,                -- the argument of a formula
    provider VARCHAR,                     -- the scope: blank means any; the most specific row that fits is taken
    provider_kind provider_kind,
    product VARCHAR,
    gpu VARCHAR,
    basis basis,
    workload workload_class,
    value DOUBLE NOT NULL CHECK (isfinite(value)),
    low DOUBLE CHECK (low <= value),
    high DOUBLE CHECK (high >= value AND isfinite(high)),
    unit unit NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    valid_from DATE,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,                         -- one line: what it means and why this value; shown as tooltip
    CHECK (first_day(as_of) <= recorded),
    CHECK (evidence <> 'estimated' OR (low IS NOT NULL AND high IS NOT NULL AND derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (name, provider, provider_kind, product, gpu, basis, workload, as_of, source)
);

CREATE TABLE hardware (
    gpu VARCHAR NOT NULL,
    attribute VARCHAR NOT NULL CHECK (attribute IN ('memory', 'bandwidth', 'bf16', 'fp8', 'fp4', 'power', 'interconnect', 'price')),
    value DOUBLE NOT NULL CHECK (value > 0 AND isfinite(value)),
    low DOUBLE CHECK (low > 0 AND low <= value),
    high DOUBLE CHECK (high >= value),
    unit unit NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK (evidence <> 'estimated' OR (low IS NOT NULL AND high IS NOT NULL AND derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (gpu, attribute, as_of, source)
);

CREATE TABLE parameters (                 -- constants of the models of waking, serving, scaling and traffic, and of draws
    model VARCHAR NOT NULL CHECK (model IN ('coldstart', 'serving', 'autoscaler', 'traffic', 'draws')),
    subject VARCHAR NOT NULL,             -- what it holds for: a platform and mitigation, a replica, an autoscaler, a trace;
                                          -- of draws an input, or two of them with what they must share
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL CHECK (isfinite(value)),
    low DOUBLE CHECK (low <= value),
    high DOUBLE CHECK (high >= value AND isfinite(high)),
    unit unit NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK (evidence <> 'estimated' OR (low IS NOT NULL AND high IS NOT NULL AND derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (model, subject, name, as_of, source)
);

CREATE TABLE providers (
    provider VARCHAR NOT NULL UNIQUE,
    kind provider_kind NOT NULL,
    country VARCHAR NOT NULL,             -- of the parent company, ISO 3166 alpha-2, or 'unstated'
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    note VARCHAR
);

CREATE TABLE capabilities (
    provider VARCHAR NOT NULL,
    product VARCHAR,
    attribute VARCHAR NOT NULL,           -- certification, confidential_gpu, managed_kubernetes, k8s_ai_conformance, scale_to_zero, ...
    value VARCHAR NOT NULL,               -- one value a row; 'none listed' where a list was read and lacks it
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    valid_from DATE,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    UNIQUE (provider, product, attribute, value, as_of, source)
);

CREATE TABLE conformance (                -- CNCF Kubernetes AI Conformance submissions; self-assessed, a listing holds one year
    k8s_version VARCHAR NOT NULL,
    platform VARCHAR NOT NULL,
    platform_version VARCHAR NOT NULL,
    vendor VARCHAR NOT NULL,
    must_implemented INTEGER NOT NULL,
    must_total INTEGER NOT NULL,
    should_implemented INTEGER NOT NULL,
    should_total INTEGER NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    UNIQUE (k8s_version, platform, platform_version, vendor, as_of)
);

CREATE TABLE regions (
    provider VARCHAR NOT NULL,
    region VARCHAR NOT NULL,
    country VARCHAR NOT NULL,             -- ISO 3166 alpha-2
    market VARCHAR NOT NULL CHECK (market IN ('North America', 'Europe', 'Asia-Pacific', 'South America', 'Middle East', 'Africa')),
    jurisdiction VARCHAR NOT NULL,        -- EU, EEA, UK, US, CH, ... : whose law the place is under
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    note VARCHAR,
    UNIQUE (provider, region)
);

CREATE TABLE availability (               -- which accelerator exists where, for sellers that print prices for places without one
    provider VARCHAR NOT NULL,
    gpu VARCHAR NOT NULL,
    region VARCHAR NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    UNIQUE (provider, gpu, region)
);

CREATE TABLE discounts (
    provider VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,               -- SKU, GPU or family that the source names
    kind VARCHAR NOT NULL,                -- committed, spot, flex_start, calendar_mode, savings_plan, negotiated, premium, ...
    term_months INTEGER CHECK (term_months > 0),
    value DOUBLE CHECK (isfinite(value)), -- blank for an 'up to', which is a high
    low DOUBLE,
    high DOUBLE,
    unit unit NOT NULL CHECK (unit = 'share'),
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK (coalesce(value, low, high) IS NOT NULL),
    UNIQUE (provider, scope, kind, term_months, as_of, source)
);

CREATE TABLE supply (                     -- rental history, list price changes, lead times, failures, utilisation, depreciation, risk
    metric VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    value DOUBLE CHECK (isfinite(value)),
    low DOUBLE,
    high DOUBLE,
    before DOUBLE,                        -- of a list price change, USD an hour
    after DOUBLE,
    unit unit NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK (coalesce(value, low, high) IS NOT NULL),
    UNIQUE (metric, subject, as_of, source)
);

CREATE TABLE people (                     -- salaries, migration effort, adoption and switching rates
    metric VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    value DOUBLE CHECK (isfinite(value)),
    low DOUBLE,
    high DOUBLE,
    unit unit NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK (coalesce(value, low, high) IS NOT NULL),
    UNIQUE (metric, subject, as_of, source)
);

CREATE TABLE dependences (                -- services in use, what would do the same elsewhere, and the effort of the move
    service VARCHAR NOT NULL,             -- as a scenario names it among its incumbent's services
    provider VARCHAR NOT NULL,            -- as in providers.csv; 'any' for software that runs everywhere
    portable VARCHAR NOT NULL,            -- the portable equivalent
    value DOUBLE NOT NULL CHECK (value > 0 AND isfinite(value)), -- person-days to build what one workload uses of it
    low DOUBLE NOT NULL CHECK (low > 0 AND low <= value),
    high DOUBLE NOT NULL CHECK (high >= value AND isfinite(high)),
    unit unit NOT NULL CHECK (unit = 'engineer-day'),
    rewrite_share DOUBLE NOT NULL,        -- the share of them that leaving makes necessary again
    rewrite_low DOUBLE NOT NULL CHECK (rewrite_low >= 0 AND rewrite_low <= rewrite_share),
    rewrite_high DOUBLE NOT NULL CHECK (rewrite_high >= rewrite_share AND rewrite_high <= 1),
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK (evidence <> 'estimated' OR (derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (service, as_of, source)
);

CREATE TABLE lockin (                     -- law, contracts, market and cases on leaving; what the law will be is known before it is
    name VARCHAR NOT NULL,                -- the argument of a formula, or what is told
    subject VARCHAR NOT NULL,             -- whom or what it holds for: a provider, a purpose, a case
    jurisdiction VARCHAR,                 -- of the customer, as in regions.csv; blank: everywhere
    state VARCHAR,                        -- what holds, where it is no figure
    value DOUBLE CHECK (isfinite(value)),
    low DOUBLE,
    high DOUBLE,
    unit unit,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    valid_from DATE,                      -- from when it holds; unlike elsewhere the row is visible before that day
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    supersedes VARCHAR,
    withdrawn DATE,
    derived_from VARCHAR,
    note VARCHAR,
    CHECK (first_day(as_of) <= recorded),
    CHECK ((coalesce(value, low, high) IS NULL) = (unit IS NULL)),
    CHECK (unit IS NOT NULL OR state IS NOT NULL),
    CHECK (coalesce(low <= value, true) AND coalesce(value <= high, true) AND coalesce(low <= high, true)),
    CHECK (evidence <> 'estimated' OR (low IS NOT NULL AND high IS NOT NULL AND derived_from IS NOT NULL AND note IS NOT NULL)),
    UNIQUE (name, subject, jurisdiction, valid_from, as_of, source)
);

CREATE TABLE claims (                     -- what is commonly said, to be tested; verdicts are recomputed from the other files
    id VARCHAR NOT NULL UNIQUE,
    claim VARCHAR NOT NULL,
    value DOUBLE,
    low DOUBLE,
    high DOUBLE,
    unit VARCHAR,
    subject VARCHAR,
    attributed VARCHAR,
    section VARCHAR,
    kind VARCHAR NOT NULL,
    test_method VARCHAR NOT NULL,
    test_how VARCHAR,
    finding VARCHAR,                      -- the evidence that was found
    verdict VARCHAR NOT NULL,
    verdict_class VARCHAR NOT NULL,
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    confidence confidence NOT NULL,
    note VARCHAR
);

CREATE TABLE currencies (                 -- USD for one unit of another currency; without a row a price in it is refused
    currency VARCHAR NOT NULL,
    value DOUBLE NOT NULL CHECK (value > 0 AND isfinite(value)),
    unit unit NOT NULL CHECK (unit = 'x'),
    as_of VARCHAR NOT NULL CHECK (is_day(as_of)),
    recorded DATE NOT NULL,
    source VARCHAR NOT NULL,
    evidence evidence NOT NULL,
    UNIQUE (currency, as_of, source)
);
