-- Navigations to the links of the codes the benchmark has registered, or to a
-- page, by 50 different browsers in turn; the arguments are the codes, or a
-- path and perhaps a cookie.  The last line of the output is for the program
-- that started wrk.

local browsers = 50
local requests = {}
local n = 0


function init(args)
    local paths, cookie = {}, nil

    if args[1]:find("^/") then
        paths[1], cookie = args[1], args[2]

    else
        for i, code in ipairs(args) do
            paths[i] = "/r/" .. code
        end
    end

    for browser = 1, browsers do
        for _, path in ipairs(paths) do
            requests[#requests + 1] = wrk.format("GET", path, {
                ["Cookie"] = cookie,
                ["Host"] = wrk.headers["Host"],
                ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64)"
                    .. " AppleWebKit/537.36 (KHTML, like Gecko)"
                    .. string.format(" Chrome/142.0.%d.0 Safari/537.36",
                                     7400 + browser),
                ["Accept"] = "text/html,application/xhtml+xml,"
                    .. "application/xml;q=0.9,image/avif,image/webp,"
                    .. "*/*;q=0.8",
                ["Accept-Encoding"] = "gzip, deflate, br, zstd",
                ["Accept-Language"] = "en-GB,en;q=0.9",
                ["Sec-Fetch-Dest"] = "document",
                ["Sec-Fetch-Mode"] = "navigate",
                ["Sec-Fetch-Site"] = "cross-site",
                ["Sec-Fetch-User"] = "?1",
                ["Upgrade-Insecure-Requests"] = "1",
            })
        end
    end
end


function request()
    n = n % #requests + 1
    return requests[n]
end


function done(summary, latency)
    local e = summary.errors

    print(string.format("result %d %d %d %d %d %d %d",
        summary.requests, summary.duration, summary.bytes,
        e.connect + e.read + e.write + e.timeout + e.status,
        latency:percentile(50), latency:percentile(99), e.timeout))
end
