/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A library for LD_PRELOAD: a system where PCRE2 makes no machine code.
 */

#include <stdint.h>


int  pcre2_jit_compile_8(void *code, uint32_t options);


int
pcre2_jit_compile_8(void *code, uint32_t options)
{
    (void) code;
    (void) options;

    return -45;     /* PCRE2_ERROR_JIT_BADOPTION */
}
