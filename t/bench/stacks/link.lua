-- What the Lua contenders share: the code of a link, kept connections to Redis,
-- and the cookie, signed by the libcrypto that nginx has loaded.  One context
-- for all: its keyed state is cheaper to start from than the key.

local ffi = require "ffi"
local base64url = require("ngx.base64").encode_base64url
local resty = require "nginx.redis"

local floor = math.floor
local match, sub = string.match, string.sub

ffi.cdef [[
const void *EVP_sha256(void);
void *HMAC_CTX_new(void);
int HMAC_Init_ex(void *ctx, const char *key, int len, const void *md,
    void *engine);
int HMAC_Update(void *ctx, const char *data, size_t len);
int HMAC_Final(void *ctx, unsigned char *md, unsigned int *len);
int RAND_bytes(unsigned char *buf, int num);
]]

local C = ffi.C
local context = C.HMAC_CTX_new()
local tag = ffi.new("unsigned char[32]")
local random = ffi.new("unsigned char[9]")
local key = "a key of thirty-two bytes, secret"

C.HMAC_Init_ex(context, key, #key, C.EVP_sha256(), nil)

resty.add_commands("xadd", "xdel")

local digits = "0123456789abcdefghijklmnopqrstuvwxyz"
local second, stamp


local function now()
    local time = ngx.time()

    if time ~= second then
        local n, s = time, ""

        while n > 0 do
            local digit = n % 36 + 1
            s = sub(digits, digit, digit) .. s
            n = floor(n / 36)
        end

        second, stamp = time, s
    end

    return stamp
end


local _M = {}


function _M.code()
    return match(ngx.var.uri, "^/r/(%w[%w_-]*)$")
end


function _M.click_id()
    C.RAND_bytes(random, 9)
    return base64url(ffi.string(random, 9))
end


function _M.cookie(code, id)
    local value = "1.1." .. now() .. "." .. code .. ".." .. id

    C.HMAC_Init_ex(context, nil, 0, nil, nil)
    C.HMAC_Update(context, value, #value)
    C.HMAC_Final(context, tag, nil)

    return "ref_friends=" .. value .. "." .. base64url(ffi.string(tag, 16))
        .. "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
end


function _M.connect()
    local red = resty:new()
    local ok, err = red:connect(_M.address)

    return ok and red, err
end


function _M.keep(red)
    red:set_keepalive(60000, 1024)
end


return _M
