/* test_superblock.c - superblocks, mkfs and what is refused. */
#include "server/base/checksum.h"
#include "server/volume/superblock.h"
#include "tests/unit/volume_rig.h"

static struct superblock on_medium(uint64_t offset)
{
    struct superblock sb;
    sim_peek(device, offset, &sb, sizeof sb);
    return sb;
}

static void flip(uint64_t offset)
{
    uint8_t byte;
    sim_peek(device, offset, &byte, 1);
    byte ^= 1;
    sim_poke(device, offset, &byte, 1);
}

static void spoil(uint64_t offset)
{
    flip(offset + 100);
}

static void start(void)
{
    rig_create(rig_options(1));
}

static void finish(void)
{
    sim_destroy(device);
}

TestSuite(superblock, .init = start, .fini = finish);

Test(superblock, both_copies_are_good_and_equal)
{
    const char *what;
    struct superblock first = on_medium(SUPERBLOCK_OFFSET);
    struct superblock second = on_medium(superblock_copy_offset(&first));
    cr_assert_eq(superblock_check(&first, &what), 0, "%s", what);
    cr_assert_eq(memcmp(&first, &second, sizeof first), 0);
    cr_assert_eq(first.size_bytes, RIG_BYTES);
    cr_assert_eq(first.partition_count, VOLUME_PARTITIONS);
}

Test(superblock, every_bit_counts)
{
    const char *what;
    struct superblock sb = on_medium(SUPERBLOCK_OFFSET);
    for (size_t bit = 0; bit < 8 * sizeof sb; bit++) {
        ((uint8_t *)&sb)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_lt(superblock_check(&sb, &what), 0);
        ((uint8_t *)&sb)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(superblock, impossible_fields_are_refused_though_the_checksum_is_good)
{
    const struct superblock good = on_medium(SUPERBLOCK_OFFSET);
    const size_t fields[] = {
        offsetof(struct superblock, size_bytes),     offsetof(struct superblock, journal_offset),
        offsetof(struct superblock, journal_bytes),  offsetof(struct superblock, metadata_offset),
        offsetof(struct superblock, data_offset),    offsetof(struct superblock, group_bytes),
        offsetof(struct superblock, data_bytes),     offsetof(struct superblock, journal_epoch),
        offsetof(struct superblock, start_position),
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const uint64_t values[] = {1, ~0ull, 1ull << 63, ~0ull << 12};
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            struct superblock sb = good;
            const char *what;
            if (fields[i] == offsetof(struct superblock, journal_epoch) && values[j] == 1)
                continue;
            memcpy((uint8_t *)&sb + fields[i], &values[j], 8);
            superblock_seal(&sb);
            cr_assert_eq(superblock_check(&sb, &what), -EBADMSG, "field %zu value %zu", i, j);
        }
    }
}

Test(superblock, the_other_is_used_when_the_first_is_bad)
{
    spoil(SUPERBLOCK_OFFSET);
    rig_open(1);
    cr_assert(opening.other_superblock_used);
    cr_assert(!opening.read_only_damage);
    rig_close();
    rig_open(1); /* the open before has written both anew */
    cr_assert(!opening.other_superblock_used);
    rig_close();
}

Test(superblock, a_bad_copy_is_written_anew)
{
    spoil(RIG_BYTES - VOLUME_EDGE_BYTES);
    rig_open(1);
    cr_assert(!opening.other_superblock_used);
    rig_close();
    spoil(SUPERBLOCK_OFFSET);
    rig_open(1);
    cr_assert(opening.other_superblock_used);
    rig_close();
}

Test(superblock, two_bad_ones_are_refused)
{
    spoil(SUPERBLOCK_OFFSET);
    spoil(RIG_BYTES - VOLUME_EDGE_BYTES);
    cr_assert_eq(rig_try_open(1), -EBADMSG);
    cr_assert(strstr(reason, "superblock"), "%s", reason);
}

Test(superblock, a_newer_format_is_refused)
{
    struct superblock sb = on_medium(SUPERBLOCK_OFFSET);
    sb.format_version++;
    superblock_seal(&sb);
    sim_poke(device, SUPERBLOCK_OFFSET, &sb, sizeof sb);
    cr_assert_eq(rig_try_open(1), -EPROTONOSUPPORT);
}

Test(superblock, a_smaller_device_is_refused_with_both_sizes)
{
    device->capabilities.size_bytes = RIG_BYTES - 4096;
    cr_assert_eq(rig_try_open(1), -ENOSPC);
    cr_assert(strstr(reason, "67108864") && strstr(reason, "67104768"), "%s", reason);
    device->capabilities.size_bytes = RIG_BYTES;
}

Test(superblock, an_empty_device_is_no_volume)
{
    static uint8_t zeroes[VOLUME_EDGE_BYTES];
    sim_poke(device, 0, zeroes, sizeof zeroes);
    sim_poke(device, RIG_BYTES - VOLUME_EDGE_BYTES, zeroes, sizeof zeroes);
    cr_assert_eq(rig_try_open(1), -ENOMEDIUM);
    cr_assert(strstr(reason, "not a wt volume"), "%s", reason);
}

Test(superblock, mkfs_refuses_what_is_there)
{
    struct volume_format_options format = {.force = false};
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), -EEXIST);
    cr_assert(strstr(reason, "wt volume"), "%s", reason);
    spoil(SUPERBLOCK_OFFSET - 100); /* its magic */
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), -EEXIST);
    static uint8_t zeroes[VOLUME_EDGE_BYTES];
    sim_poke(device, 0, zeroes, sizeof zeroes);
    sim_poke(device, RIG_BYTES - VOLUME_EDGE_BYTES, zeroes, sizeof zeroes);
    sim_poke(device, 1024 + 56, "\x53\xef", 2);
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), -EEXIST);
    cr_assert(strstr(reason, "ext4"), "%s", reason);
    format.force = true;
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), 0, "%s", reason);
    rig_open(2);
    rig_close();
}

Test(superblock, mkfs_leaves_nothing_of_a_larger_volume)
{
    struct volume_format_options format = {.force = true, .size_bytes = RIG_BYTES};
    rig_open(1);
    rig_close();
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), 0);
    spoil(SUPERBLOCK_OFFSET);
    rig_open(1); /* the copy is of the new volume */
    cr_assert_eq(opening.epoch, 2);
    rig_close();
    format.size_bytes = RIG_BYTES - 4096;
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), -EINVAL);
    format.size_bytes = RIG_BYTES + 4096;
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), -ENOSPC);
}

Test(superblock, a_cut_mkfs_is_not_opened)
{
    struct volume_format_options format = {.force = true};
    for (uint32_t writes = 1;; writes++) {
        sim_cut_after(device, writes);
        int rc = volume_format_device(device, &format, reason, sizeof reason);
        bool cut = sim_cut_happened(device);
        sim_cut_after(device, 0);
        if (!cut) {
            cr_assert_eq(rc, 0);
            break;
        }
        sim_power_cut(device);
        /* Not opened, or whole: the old volume before the first write reached it, the new one at the end. */
        if (rig_try_open(1) == 0) {
            cr_assert(!opening.read_only_damage);
            cr_assert_not_null(rig_find("/"));
            rig_close();
        }
    }
}

/* A power cut in an update leaves one copy with this volume's name and a wrong checksum: the volume opens,
 * and check, which is run after power cuts, finds nothing wrong. */
Test(superblock, a_torn_update_is_no_damage)
{
    struct volume_check_report report;
    flip(SUPERBLOCK_OFFSET + 4000);
    cr_assert_eq(rig_check(&report), 0);
    rig_open(1);
    cr_assert(opening.other_superblock_used);
    rig_close();
    flip(RIG_BYTES - VOLUME_EDGE_BYTES + 4000);
    cr_assert_eq(rig_check(&report), 0);
}

/* With the copy torn by one cut, the next update must not begin with the only good one: it may be torn as
 * well (here its write fails half done), and none would be left. */
Test(superblock, a_bad_copy_is_mended_before_the_good_one_is_touched)
{
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct sim_options options = rig_options(seed);
        options.block_bytes = 512; /* a superblock is eight of them, each old or new */
        sim_destroy(device);
        rig_create(options);
        spoil(RIG_BYTES - VOLUME_EDGE_BYTES);
        sim_fail_next(device, DEVICE_WRITE, -EIO);
        cr_assert_lt(rig_try_open(1), 0);
        cr_assert_eq(rig_try_open(1), 0, "seed %u", seed);
        rig_close();
    }
}

Test(superblock, check_repairs_a_copy)
{
    struct volume_check_report report;
    unsigned lines = 0;
    flip(SUPERBLOCK_OFFSET); /* the magic: no cut in an update does that */
    cr_assert_eq(rig_check(&report), 1);
    cr_assert_eq(report.damage_count, 1);
    cr_assert_eq(volume_check_device(device, true, rig_say, &lines, &report), 1);
    cr_assert_eq(rig_check(&report), 0);
    cr_assert_eq(report.directories, 1);
    cr_assert_eq(report.blocks_used, 0);
}
