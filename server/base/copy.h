/*
 * copy.h - copying pages and parts of them. Any thread.
 *
 * gcc 12 sees that a part of a page is short and inlines the copy as `rep movs`, which is a sixth slower here
 * for pages that are not in the processor's cache than the library's copy. So the size is hidden from it.
 */
#ifndef WT_BASE_COPY_H
#define WT_BASE_COPY_H

#include <stddef.h>
#include <string.h>

static inline void copy_bytes(void *to, const void *from, size_t size_bytes)
{
    __asm__("" : "+r"(size_bytes));
    memcpy(to, from, size_bytes);
}

#endif
