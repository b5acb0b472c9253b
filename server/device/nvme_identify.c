/* nvme_identify.c - see nvme_identify.h. Offsets are bytes, as in the specification's figures. */
#include "server/device/nvme_identify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum controller_field {
    CONTROLLER_SERIAL = 4,    /* 20 characters */
    CONTROLLER_MODEL = 24,    /* 40 */
    CONTROLLER_FIRMWARE = 64, /* 8 */
    CONTROLLER_MDTS = 77,
    CONTROLLER_CRDT = 128, /* three of 16 bits */
    CONTROLLER_ONCS = 520,
    CONTROLLER_VWC = 525,
    CONTROLLER_AWUPF = 528,
};

enum namespace_field {
    NAMESPACE_SIZE = 0,
    NAMESPACE_FEATURES = 24,
    NAMESPACE_FORMAT = 26,  /* FLBAS */
    NAMESPACE_SHARING = 30, /* NMIC */
    NAMESPACE_NAWUPF = 36,
    NAMESPACE_BOUNDARY_OFFSET = 42,     /* NABO */
    NAMESPACE_BOUNDARY_POWER_FAIL = 44, /* NABSPF */
    NAMESPACE_OPTIMAL_GRANULARITY = 64, /* NPWG */
    NAMESPACE_OPTIMAL_ALIGNMENT = 66,   /* NPWA */
    NAMESPACE_ATTRIBUTES = 99,          /* NSATTR */
    NAMESPACE_FORMATS = 128,            /* LBAF0, four bytes each, up to 64 */
};

#define COMMAND_SET_WZSL        1u
#define ONCS_DATASET_MANAGEMENT (1u << 2)
#define ONCS_WRITE_ZEROES       (1u << 3)
#define FEATURES_NAMESPACE_ATOMS \
    (1u << 1) /* NSABP: NAWUPF and the boundaries are this namespace's */
#define FEATURES_OPTIMAL (1u << 4)
#define BLOCK_SHIFT_MIN  9u
#define BLOCK_SHIFT_MAX  16u
#define LIMIT_SHIFT_MAX  19u        /* larger limits than 2^31 bytes are none to us */
#define ATOMIC_BYTES_MAX (1u << 20) /* promise 5 asks for no more */

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint64_t get64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* Fixed width, padded with spaces; the device chose the bytes and a terminal will show them. */
static void copy_text(char *to, const uint8_t *from, size_t width)
{
    size_t length = width;
    while (length > 0 && (from[length - 1] == ' ' || from[length - 1] == '\0'))
        length--;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] : '?';
    to[length] = '\0';
}

/* A limit told as a power of two of pages; 0 means none. */
static uint32_t limit_bytes(uint8_t shift, uint32_t page_bytes)
{
    if (shift == 0 || shift > LIMIT_SHIFT_MAX || page_bytes > UINT32_MAX >> shift)
        return 0;
    return page_bytes << shift;
}

/* AWUPF and NAWUPF count from 0. The namespace's own figure is valid only where NSFEAT says so, and then it
 * is at least the controller's: one that is smaller is a device that does not know what it says. */
static void parse_atomics(struct nvme_identity *identity, const uint8_t *controller,
                          const uint8_t *name_space)
{
    uint64_t blocks = get16(controller + CONTROLLER_AWUPF) + 1u;
    uint64_t boundary = 0, offset = 0;
    bool doubtful = false;
    if (name_space[NAMESPACE_FEATURES] & FEATURES_NAMESPACE_ATOMS) {
        uint64_t own = get16(name_space + NAMESPACE_NAWUPF) + 1u;
        doubtful = own < blocks;
        blocks = own;
        uint16_t told = get16(name_space + NAMESPACE_BOUNDARY_POWER_FAIL);
        boundary = told ? told + 1u : 0;
        offset = get16(name_space + NAMESPACE_BOUNDARY_OFFSET);
    }
    /* A boundary that does not begin at block 0, or one inside the unit, helps nobody. */
    doubtful |= boundary && (offset || boundary < blocks);
    if (doubtful) {
        blocks = 1;
        boundary = 0;
    }
    uint64_t bytes = blocks * identity->block_bytes;
    identity->atomic_unit_bytes = bytes < ATOMIC_BYTES_MAX ? (uint32_t)bytes : ATOMIC_BYTES_MAX;
    uint64_t boundary_bytes = boundary * identity->block_bytes;
    identity->atomic_boundary_bytes = boundary_bytes <= UINT32_MAX ? (uint32_t)boundary_bytes : 0;
    uint32_t limit = identity->transfer_bytes_max;
    if (limit && limit < identity->atomic_unit_bytes)
        identity->atomic_unit_bytes = limit;
}

/* Which of the formats is in use: the low four bits, and two more where there are more than 16. */
static int parse_format(struct nvme_identity *identity, const uint8_t *name_space, char *reason,
                        size_t reason_bytes)
{
    uint8_t flbas = name_space[NAMESPACE_FORMAT];
    unsigned index = (flbas & 15u) | (flbas >> 5 & 3u) << 4;
    const uint8_t *format = name_space + NAMESPACE_FORMATS + 4u * index;
    unsigned shift = format[2];
    if (shift < BLOCK_SHIFT_MIN || shift > BLOCK_SHIFT_MAX) {
        snprintf(reason, reason_bytes, "its LBA format %u has blocks of 2^%u bytes", index, shift);
        return -EINVAL;
    }
    identity->block_bytes = 1u << shift;
    identity->metadata_bytes = get16(format);
    identity->size_blocks = get64(name_space + NAMESPACE_SIZE);
    if (identity->size_blocks == 0 || identity->size_blocks > UINT64_MAX >> shift) {
        snprintf(reason, reason_bytes, "it says that it has %llu blocks",
                 (unsigned long long)identity->size_blocks);
        return -EINVAL;
    }
    return 0;
}

int nvme_identity_parse(struct nvme_identity *identity, const uint8_t *controller,
                        const uint8_t *name_space, const uint8_t *command_set, uint32_t page_bytes,
                        char *reason, size_t reason_bytes)
{
    *identity = (struct nvme_identity){0};
    int rc = parse_format(identity, name_space, reason, reason_bytes);
    if (rc)
        return rc;
    copy_text(identity->serial, controller + CONTROLLER_SERIAL, 20);
    copy_text(identity->model, controller + CONTROLLER_MODEL, 40);
    copy_text(identity->firmware, controller + CONTROLLER_FIRMWARE, 8);
    identity->transfer_bytes_max = limit_bytes(controller[CONTROLLER_MDTS], page_bytes);
    identity->zeroes_bytes_max =
        command_set ? limit_bytes(command_set[COMMAND_SET_WZSL], page_bytes) : 0;
    identity->volatile_cache = controller[CONTROLLER_VWC] & 1u;
    uint16_t commands = get16(controller + CONTROLLER_ONCS);
    identity->deallocate = commands & ONCS_DATASET_MANAGEMENT;
    identity->write_zeroes = commands & ONCS_WRITE_ZEROES;
    identity->write_protected = name_space[NAMESPACE_ATTRIBUTES] & 1u;
    identity->shared = name_space[NAMESPACE_SHARING] & 1u;
    for (unsigned i = 0; i < 3; i++)
        identity->retry_delay_ms_100[i] = get16(controller + CONTROLLER_CRDT + 2 * i);
    if (name_space[NAMESPACE_FEATURES] & FEATURES_OPTIMAL) {
        identity->optimal_write_bytes =
            (get16(name_space + NAMESPACE_OPTIMAL_GRANULARITY) + 1u) * identity->block_bytes;
        identity->optimal_write_align_bytes =
            (get16(name_space + NAMESPACE_OPTIMAL_ALIGNMENT) + 1u) * identity->block_bytes;
    }
    parse_atomics(identity, controller, name_space);
    return 0;
}
