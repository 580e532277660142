-- What a conversion does in the store, in PostgreSQL: one function, called by
-- a prepared statement, one transaction.  Where the store does more, this
-- leaves it out: totals of the program (one row, for which all transactions
-- would queue), notes in the journal, and rules that can be changed.

CREATE TABLE codes (
    code      text PRIMARY KEY,
    id        integer NOT NULL,
    status    smallint NOT NULL,
    owner     text NOT NULL
);

CREATE TABLE orders (
    order_id  text PRIMARY KEY,
    event     smallint NOT NULL,
    status    smallint NOT NULL,
    method    smallint NOT NULL,
    code      integer,
    customer  text NOT NULL,
    click     bigint,
    clicked   timestamptz,
    amount    bigint NOT NULL,
    refunded  bigint NOT NULL DEFAULT 0,
    currency  smallint NOT NULL,
    points    bigint NOT NULL,
    taken     timestamptz NOT NULL,
    approves  timestamptz NOT NULL
);

CREATE INDEX ON orders (approves) WHERE status = 0;

CREATE TABLE journal (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type      smallint NOT NULL,
    taken     timestamptz NOT NULL,
    order_id  text NOT NULL,
    code      integer,
    customer  text NOT NULL,
    click     bigint,
    clicked   timestamptz,
    amount    bigint NOT NULL,
    currency  smallint NOT NULL
);

CREATE TABLE bindings (
    customer  text PRIMARY KEY,
    code      integer NOT NULL,
    until     timestamptz NOT NULL
);

CREATE TABLE rewards (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule      smallint NOT NULL,
    state     smallint NOT NULL,
    code      integer NOT NULL,
    order_id  text NOT NULL,
    customer  text NOT NULL,
    bps       integer NOT NULL,
    amount    bigint NOT NULL,
    currency  smallint NOT NULL,
    created   timestamptz NOT NULL,
    approves  timestamptz NOT NULL
);

CREATE INDEX ON rewards (code, id);
CREATE INDEX ON rewards (approves) WHERE state = 0;

-- Rows that are updated again and again, with room for their next version on
-- the same page.  Day 0 is all time.

CREATE TABLE counters (
    day       integer NOT NULL,
    code      integer NOT NULL,
    event     smallint NOT NULL,
    currency  smallint NOT NULL,
    pending   bigint NOT NULL,
    points    bigint NOT NULL,
    gross     bigint NOT NULL,
    refunded  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, code, event, currency)
) WITH (fillfactor = 50);

CREATE TABLE scores (
    code      integer PRIMARY KEY,
    points    bigint NOT NULL,
    events    bigint NOT NULL,
    pending   bigint NOT NULL,
    owing     bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE leaders (
    period    integer NOT NULL,
    code      integer NOT NULL,
    points    bigint NOT NULL,
    PRIMARY KEY (period, code)
) WITH (fillfactor = 50);

CREATE INDEX ON leaders (period, points DESC, code);

INSERT INTO codes SELECT n, n, 0, 'o-' || n FROM generate_series(1001, 2000) n;
INSERT INTO scores SELECT n, 0, 0, 0, 0 FROM generate_series(1001, 2000) n;


CREATE FUNCTION conversion(p_order text, p_customer text, p_code text,
    p_click bigint, p_clicked bigint, p_amount bigint, p_currency smallint)
    RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_now CONSTANT timestamptz := now();
    v_approves CONSTANT timestamptz := v_now + interval '14 days';
    v_clicked CONSTANT timestamptz := to_timestamp(p_clicked);
    v_day CONSTANT integer := v_now::date - date '1970-01-01';
    v_month CONSTANT integer := extract(year FROM v_now) * 100
        + extract(month FROM v_now);
    v_code integer;
    v_owner text;
    v_bound integer;
    v_events bigint;
    v_part CONSTANT bigint := p_amount * 1000 / 10000;
BEGIN
    SELECT id, owner INTO v_code, v_owner FROM codes
        WHERE code = p_code AND status = 0;
    SELECT code INTO v_bound FROM bindings
        WHERE customer = p_customer AND until > v_now;

    IF v_clicked < v_now - interval '30 days' THEN
        v_code := NULL;
    END IF;

    v_code := coalesce(v_code, v_bound);

    INSERT INTO orders (order_id, event, status, method, code, customer,
            click, clicked, amount, currency, points, taken, approves)
        VALUES (p_order, 2, 0, 1, v_code, p_customer, p_click, v_clicked,
            p_amount, p_currency, 10, v_now, v_approves)
        ON CONFLICT DO NOTHING;

    IF NOT FOUND THEN
        PERFORM 1 FROM orders WHERE order_id = p_order
            AND customer = p_customer AND amount = p_amount
            AND currency = p_currency AND click = p_click;
        RETURN CASE WHEN FOUND THEN 200 ELSE 409 END;
    END IF;

    IF v_code IS NULL OR v_owner = p_customer THEN
        RETURN 202;
    END IF;

    INSERT INTO journal (type, taken, order_id, code, customer, click,
            clicked, amount, currency)
        VALUES (4, v_now, p_order, v_code, p_customer, p_click, v_clicked,
            p_amount, p_currency);

    IF v_bound IS NULL THEN
        INSERT INTO bindings
            VALUES (p_customer, v_code, v_now + interval '365 days')
            ON CONFLICT (customer) DO UPDATE
            SET code = excluded.code, until = excluded.until;
    END IF;

    INSERT INTO rewards (rule, state, code, order_id, customer, bps, amount,
            currency, created, approves)
        VALUES (1, 0, v_code, p_order, p_customer, 1000, v_part, p_currency,
            v_now, v_approves);

    UPDATE scores SET points = points + 10, events = events + 1,
            pending = pending + 1 + ((events + 1) % 3 = 0)::integer,
            owing = owing + v_part
        WHERE code = v_code RETURNING events INTO v_events;

    IF v_events % 3 = 0 THEN
        INSERT INTO rewards (rule, state, code, order_id, customer, bps,
                amount, currency, created, approves)
            VALUES (2, 0, v_code, p_order, p_customer, 0, 0, p_currency,
                v_now, v_approves);
    END IF;

    INSERT INTO counters AS c VALUES
            (0, v_code, 2, p_currency, 1, 10, p_amount),
            (v_day, v_code, 2, p_currency, 1, 10, p_amount)
        ON CONFLICT (day, code, event, currency) DO UPDATE
        SET pending = c.pending + 1, points = c.points + 10,
            gross = c.gross + excluded.gross;

    INSERT INTO leaders AS l VALUES (0, v_code, 10), (v_month, v_code, 10)
        ON CONFLICT (period, code) DO UPDATE SET points = l.points + 10;

    RETURN 201;
END $$;
