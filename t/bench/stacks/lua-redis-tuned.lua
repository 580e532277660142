-- A link by one round trip, without the library: the code is looked up and the
-- click added at once, and taken back in the rare case that there is no such
-- code.  The arguments that are the same for all are formatted once.

local link = require "link"

local cookie, click_id, code_of = link.cookie, link.click_id, link.code
local sub, tonumber = string.sub, tonumber

local ADD = "\r\n*7\r\n$4\r\nXADD\r\n$6\r\nclicks\r\n$1\r\n*\r\n$1\r\nc\r\n$"


-- A bulk string, false for none, or nil and why.

local function bulk(sock)
    local line, err = sock:receive()

    if not line or sub(line, 1, 1) ~= "$" then
        return nil, err or line
    end

    local n = tonumber(sub(line, 2))

    if n < 0 then
        return false
    end

    line, err = sock:receive(n + 2)
    return line and sub(line, 1, n), err
end


local function ask(code, id)
    local sock = ngx.socket.tcp()
    local ok, err = sock:connect(link.address)
    local url, click

    if ok then
        ok, err = sock:send({
            "*2\r\n$3\r\nGET\r\n$", #code + 5, "\r\nlink:", code,
            ADD, #code, "\r\n", code, "\r\n$1\r\ni\r\n$12\r\n", id, "\r\n"
        })
    end

    if ok then
        url, err = bulk(sock)
    end

    if url ~= nil then
        click, err = bulk(sock)
    end

    if not click then
        return nil, err
    end

    sock:setkeepalive(60000, 1024)
    return url, click
end


local function take_back(click)
    local red = link.connect()

    if red and red:xdel("clicks", click) then
        link.keep(red)
    end
end


local function redirect()
    local code = code_of()

    if not code then
        return ngx.exit(404)
    end

    local id = click_id()
    local url, click = ask(code, id)

    if url == nil then
        ngx.log(ngx.ERR, "redis: ", click)
        return ngx.exit(503)
    end

    if not url then
        take_back(click)
        return ngx.exit(404)
    end

    ngx.header["Set-Cookie"] = cookie(code, id)
    return ngx.redirect(url)
end


return { redirect = redirect }
