-- Conversions of orders that are new, each with a token of one of the codes
-- the benchmark has registered; the arguments are the first order id, the
-- bearer of the endpoint, and a file of "code token" lines.  The last line of
-- the output is for the program that started wrk: what was answered 201, and
-- what was answered otherwise, is counted there.

local threads = {}
local tokens = {}
local head = ""
local order = 0

created = 0
other = 0
sample = ""


function setup(thread)
    threads[#threads + 1] = thread
end


function init(args)
    order = tonumber(args[1])
    math.randomseed(order)

    for line in io.lines(args[3]) do
        tokens[#tokens + 1] = line:match("^%S+ (%S+)$")
    end

    head = "POST /referral/v1/conversions HTTP/1.1\r\n"
        .. "Host: " .. wrk.headers["Host"] .. "\r\n"
        .. "User-Agent: shop/1.0\r\n"
        .. "Authorization: Bearer " .. args[2] .. "\r\n"
        .. "Content-Type: application/json\r\n"
        .. "Content-Length: "
end


function request()
    order = order + 1

    local body = string.format('{"event":"purchase","order_id":"%d",'
        .. '"amount":%d,"currency":"EUR","customer_id":"%d","token":"%s"}',
        order, math.random(1000, 99999), order, tokens[math.random(#tokens)])

    return head .. #body .. "\r\n\r\n" .. body
end


function response(status, headers, body)
    if status == 201 then
        created = created + 1

    else
        other = other + 1
        sample = status .. " " .. body
    end
end


function done(summary, latency)
    local e = summary.errors
    local created, other = 0, 0

    for _, thread in ipairs(threads) do
        created = created + thread:get("created")
        other = other + thread:get("other")
        if thread:get("sample") ~= "" then
            print("other " .. thread:get("sample"))
        end
    end

    print(string.format("result %d %d %d %d %d %d %d",
        created, summary.duration, summary.bytes,
        e.connect + e.read + e.write + e.timeout, latency:percentile(50),
        latency:percentile(99), other))
end
