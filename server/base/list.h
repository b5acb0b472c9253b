/*
 * list.h - an intrusive doubly linked list with a sentinel. Not thread safe; nothing is allocated.
 *
 * A link that is in no list points to itself, so list_remove may be called on it again.
 */
#ifndef WT_BASE_LIST_H
#define WT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

#define list_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))
#define list_for_each(position, head) \
    for (struct list *position = (head)->next; position != (head); position = position->next)
/* The body may remove position itself, and nothing else. */
#define list_for_each_safe(position, after, head)                                           \
    for (struct list *position = (head)->next, *after = position->next; position != (head); \
         position = after, after = after->next)

static inline void list_init(struct list *head)
{
    head->next = head->previous = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_add_tail(struct list *head, struct list *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

static inline void list_add_head(struct list *head, struct list *link)
{
    list_add_tail(head->next, link);
}

static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = link;
}

static inline struct list *list_pop(struct list *head)
{
    if (list_empty(head))
        return NULL;
    struct list *link = head->next;
    list_remove(link);
    return link;
}

/* Moves everything in `from` to the end of `to`. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#endif
