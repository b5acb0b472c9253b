/* space_tree.c - see space_internal.h: an AVL tree of free extents with the longest one below each node. */
#include <assert.h>
#include <stdlib.h>

#include "server/volume/space_internal.h"

static int height_of(const struct space_node *node)
{
    return node ? node->height : 0;
}

static uint64_t longest_of(const struct space_node *node)
{
    return node ? node->max_blocks : 0;
}

/* What a node says about its subtree, from what its children say about theirs. */
static void update(struct space_node *node)
{
    int left = height_of(node->left), right = height_of(node->right);
    node->height = 1 + (left > right ? left : right);
    node->max_blocks = node->blocks;
    if (longest_of(node->left) > node->max_blocks)
        node->max_blocks = longest_of(node->left);
    if (longest_of(node->right) > node->max_blocks)
        node->max_blocks = longest_of(node->right);
}

static struct space_node *rotate_right(struct space_node *node)
{
    struct space_node *top = node->left;
    assert(top);
    node->left = top->right;
    top->right = node;
    update(node);
    update(top);
    return top;
}

static struct space_node *rotate_left(struct space_node *node)
{
    struct space_node *top = node->right;
    assert(top);
    node->right = top->left;
    top->left = node;
    update(node);
    update(top);
    return top;
}

/* Both subtrees are balanced, and their heights differ by 2 at most. */
static struct space_node *balance(struct space_node *node)
{
    int lean = height_of(node->left) - height_of(node->right);
    if (lean > 1) {
        if (height_of(node->left->left) < height_of(node->left->right))
            node->left = rotate_left(node->left);
        return rotate_right(node);
    }
    if (lean < -1) {
        if (height_of(node->right->right) < height_of(node->right->left))
            node->right = rotate_right(node->right);
        return rotate_left(node);
    }
    update(node);
    return node;
}

static struct space_node *insert(struct space_node *root, struct space_node *node)
{
    if (!root)
        return node;
    assert(node->start != root->start);
    if (node->start < root->start)
        root->left = insert(root->left, node);
    else
        root->right = insert(root->right, node);
    return balance(root);
}

struct space_node *space_tree_insert(struct space_node *root, struct space_node *node)
{
    node->left = node->right = NULL;
    update(node);
    return insert(root, node);
}

static struct space_node *remove_first(struct space_node *root, struct space_node **removed)
{
    if (!root->left) {
        *removed = root;
        return root->right;
    }
    root->left = remove_first(root->left, removed);
    return balance(root);
}

struct space_node *space_tree_remove(struct space_node *root, uint64_t start,
                                     struct space_node **removed)
{
    assert(root);
    if (start < root->start) {
        root->left = space_tree_remove(root->left, start, removed);
        return balance(root);
    }
    if (start > root->start) {
        root->right = space_tree_remove(root->right, start, removed);
        return balance(root);
    }
    *removed = root;
    if (!root->left || !root->right)
        return root->left ? root->left : root->right;
    struct space_node *next;
    struct space_node *right = remove_first(root->right, &next);
    next->left = root->left;
    next->right = right;
    return balance(next);
}

void space_tree_resize(struct space_node *root, uint64_t start, uint64_t new_start,
                       uint64_t new_blocks)
{
    assert(root);
    if (start < root->start) {
        space_tree_resize(root->left, start, new_start, new_blocks);
    } else if (start > root->start) {
        space_tree_resize(root->right, start, new_start, new_blocks);
    } else {
        root->start = new_start;
        root->blocks = new_blocks;
    }
    update(root);
}

struct space_node *space_tree_before(struct space_node *root, uint64_t block)
{
    struct space_node *found = NULL;
    while (root) {
        if (root->start <= block) {
            found = root;
            root = root->right;
        } else {
            root = root->left;
        }
    }
    return found;
}

struct space_node *space_tree_after(struct space_node *root, uint64_t block)
{
    struct space_node *found = NULL;
    while (root) {
        if (root->start > block) {
            found = root;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return found;
}

/* Along the path to `from` a right subtree is entered only if it holds an answer, so this is O(height). */
struct space_node *space_tree_fit(struct space_node *root, uint64_t from, uint64_t blocks)
{
    if (!root || root->max_blocks < blocks)
        return NULL;
    if (root->start < from)
        return space_tree_fit(root->right, from, blocks);
    struct space_node *found = space_tree_fit(root->left, from, blocks);
    if (found)
        return found;
    return root->blocks >= blocks ? root : space_tree_fit(root->right, from, blocks);
}

struct space_node *space_tree_longest(struct space_node *root)
{
    while (root && root->blocks < root->max_blocks)
        root = longest_of(root->left) == root->max_blocks ? root->left : root->right;
    return root;
}

void space_tree_free(struct space_node *root)
{
    if (!root)
        return;
    space_tree_free(root->left);
    space_tree_free(root->right);
    free(root);
}
