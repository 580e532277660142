-- A link without a round trip: codes are kept for a minute, clicks counted in
-- a dictionary that all workers share and the first of them adds to Redis every
-- second.

local link = require "link"

local cookie, click_id, code_of = link.cookie, link.click_id, link.code
local links, clicks = ngx.shared.links, ngx.shared.clicks


local function landing(code)
    local url = links:get(code)

    if not url then
        local red = link.connect()

        url = red and red:get("link:" .. code)

        if not url or url == ngx.null then
            return nil
        end

        link.keep(red)
        links:set(code, url, 60)
    end

    return url
end


local function redirect()
    local code = code_of()
    local url = code and landing(code)

    if not url then
        return ngx.exit(404)
    end

    clicks:incr(code, 1, 0)
    ngx.header["Set-Cookie"] = cookie(code, click_id())
    return ngx.redirect(url)
end


local function write(taken)
    local red, err = link.connect()

    if not red then
        return nil, err
    end

    red:init_pipeline()

    for code, n in pairs(taken) do
        red:hincrby("clicks", code, n)
    end

    local ok

    ok, err = red:commit_pipeline()

    if ok then
        link.keep(red)
    end

    return ok, err
end


local function flush()
    local taken = {}

    for _, code in ipairs(clicks:get_keys(0)) do
        local n = clicks:get(code)

        if n > 0 then
            clicks:incr(code, -n)
            taken[code] = n
        end
    end

    if not next(taken) then
        return
    end

    local ok, err = write(taken)

    if not ok then
        ngx.log(ngx.ERR, "redis: ", err)

        for code, n in pairs(taken) do
            clicks:incr(code, n)
        end
    end
end


local function start()
    if ngx.worker.id() == 0 then
        ngx.timer.every(1, flush)
    end
end


return { redirect = redirect, start = start }
