-- A link by the book: the code is looked up, the click added to a stream, or
-- to a total only.

local link = require "link"

local cookie, click_id, code_of = link.cookie, link.click_id, link.code
local connect, keep, null = link.connect, link.keep, ngx.null


local function add(code, id)
    local red, err = connect()

    if not red then
        return nil, err
    end

    local url, added

    url, err = red:get("link:" .. code)

    if url and url ~= null then
        if link.totals then
            added, err = red:incr("clicks:" .. code)
        else
            added, err = red:xadd("clicks", "*", "c", code, "i", id)
        end

        url = added and url
    end

    if url then
        keep(red)
    end

    return url, err
end


local function redirect()
    local code = code_of()

    if not code then
        return ngx.exit(404)
    end

    local id = click_id()
    local url, err = add(code, id)

    if not url then
        ngx.log(ngx.ERR, "redis: ", err)
        return ngx.exit(503)
    end

    if url == null then
        return ngx.exit(404)
    end

    ngx.header["Set-Cookie"] = cookie(code, id)
    return ngx.redirect(url)
end


return { redirect = redirect }
