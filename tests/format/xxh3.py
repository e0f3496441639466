"""XXH3, 64 bits, with a seed: the checksum of journal-format(5), in Python.

Written to be read beside a description of the algorithm, not to be fast.  All
arithmetic is modulo 2^64 and every word is little endian.  There is a way of
its own for each class of lengths: 0, 1 to 3, 4 to 8, 9 to 16, 17 to 128, 129
to 240 and more.  tests/format/xxh3.sh compares it with the C header.
"""
import struct

MASK = (1 << 64) - 1

PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
PRIME64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
           0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)

# The secret that every input is mixed with: 192 constant bytes.
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")

STRIPE = 64             # bytes taken at a time from a long input
SECRET_STEP = 8         # how far the secret moves on from stripe to stripe
# Stripes until the accumulators are scrambled and the secret starts again.
STRIPES = (len(SECRET) - STRIPE) // SECRET_STEP


def word32(data, at=0):
    return struct.unpack_from("<I", data, at)[0]


def word64(data, at=0):
    return struct.unpack_from("<Q", data, at)[0]


def rotate(x, n):
    return (x << n | x >> (64 - n)) & MASK


def swap(x, size):
    return int.from_bytes(x.to_bytes(size, "little"), "big")


def fold(a, b):
    """The two halves of the 128-bit product, one over the other."""
    product = a * b
    return (product ^ product >> 64) & MASK


def avalanche(x):
    x ^= x >> 37
    x = x * 0x165667919E3779F9 & MASK
    return x ^ x >> 32


def avalanche_short(x):
    """XXH64's last step, which inputs of 0 to 3 bytes use."""
    x ^= x >> 33
    x = x * PRIME64[1] & MASK
    x ^= x >> 29
    x = x * PRIME64[2] & MASK
    return x ^ x >> 32


def sum_0(seed):
    return avalanche_short(seed ^ word64(SECRET, 56) ^ word64(SECRET, 64))


def sum_1_to_3(data, seed):
    n = len(data)
    word = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
    key = (word32(SECRET, 0) ^ word32(SECRET, 4)) + seed & MASK
    return avalanche_short(word ^ key)


def sum_4_to_8(data, seed):
    n = len(data)
    seed ^= swap(seed & 0xFFFFFFFF, 4) << 32
    key = (word64(SECRET, 8) ^ word64(SECRET, 16)) - seed & MASK
    x = (word32(data, n - 4) | word32(data) << 32) ^ key
    x ^= rotate(x, 49) ^ rotate(x, 24)
    x = x * 0x9FB21C651E98DF25 & MASK
    x ^= (x >> 35) + n
    x = x * 0x9FB21C651E98DF25 & MASK
    return x ^ x >> 28


def sum_9_to_16(data, seed):
    n = len(data)
    low = (word64(SECRET, 24) ^ word64(SECRET, 32)) + seed & MASK
    high = (word64(SECRET, 40) ^ word64(SECRET, 48)) - seed & MASK
    low ^= word64(data)
    high ^= word64(data, n - 8)
    return avalanche(n + swap(low, 8) + high + fold(low, high) & MASK)


def mix16(data, at, secret_at, seed):
    return fold(word64(data, at) ^ (word64(SECRET, secret_at) + seed & MASK),
                word64(data, at + 8) ^
                (word64(SECRET, secret_at + 8) - seed & MASK))


def sum_17_to_128(data, seed):
    n = len(data)
    total = n * PRIME64[0]
    for i in range((n - 1) // 32 + 1):          # from both ends inwards
        total += mix16(data, 16 * i, 32 * i, seed)
        total += mix16(data, n - 16 * (i + 1), 32 * i + 16, seed)
    return avalanche(total & MASK)


def sum_129_to_240(data, seed):
    n = len(data)
    total = n * PRIME64[0]
    for i in range(8):
        total += mix16(data, 16 * i, 16 * i, seed)
    total = avalanche(total & MASK)
    for i in range(8, n // 16):
        total += mix16(data, 16 * i, 16 * (i - 8) + 3, seed)
    total += mix16(data, n - 16, 136 - 17, seed)
    return avalanche(total & MASK)


def seeded_secret(seed):
    """The secret of long inputs: the seed added to and taken from it."""
    words = struct.unpack("<24Q", SECRET)
    return struct.pack("<24Q", *(
        (w - seed if i & 1 else w + seed) & MASK for i, w in enumerate(words)))


def accumulate(acc, data, at, keys):
    words = struct.unpack_from("<8Q", data, at)
    for i in range(8):
        mixed = words[i] ^ keys[i]
        acc[i ^ 1] += words[i]
        acc[i] += (mixed & 0xFFFFFFFF) * (mixed >> 32)
    for i in range(8):
        acc[i] &= MASK


def sum_long(data, seed):
    n = len(data)
    secret = seeded_secret(seed)
    keys = [struct.unpack_from("<8Q", secret, SECRET_STEP * i)
            for i in range(STRIPES + 1)]        # the last one scrambles
    acc = [PRIME32[2], PRIME64[0], PRIME64[1], PRIME64[2],
           PRIME64[3], PRIME32[1], PRIME64[4], PRIME32[0]]

    # Every whole stripe but one that ends the input, then the last 64 bytes,
    # which may overlap the stripe before them.
    for i in range((n - 1) // STRIPE):
        if i and i % STRIPES == 0:
            scramble(acc, keys[STRIPES])
        accumulate(acc, data, STRIPE * i, keys[i % STRIPES])
    if (n - 1) // STRIPE % STRIPES == 0:
        scramble(acc, keys[STRIPES])
    accumulate(acc, data, n - STRIPE,
               struct.unpack_from("<8Q", secret, len(secret) - STRIPE - 7))

    total = n * PRIME64[0]
    for i in range(4):
        total += fold(acc[2 * i] ^ word64(secret, 11 + 16 * i),
                      acc[2 * i + 1] ^ word64(secret, 19 + 16 * i))
    return avalanche(total & MASK)


def scramble(acc, keys):
    for i in range(8):
        x = acc[i]
        acc[i] = (x ^ x >> 47 ^ keys[i]) * PRIME32[0] & MASK


def xxh3_64(data, seed=0):
    """XXH3_64bits_withSeed(data, len(data), seed)."""
    n = len(data)
    if n == 0:
        return sum_0(seed)
    if n <= 3:
        return sum_1_to_3(data, seed)
    if n <= 8:
        return sum_4_to_8(data, seed)
    if n <= 16:
        return sum_9_to_16(data, seed)
    if n <= 128:
        return sum_17_to_128(data, seed)
    if n <= 240:
        return sum_129_to_240(data, seed)
    return sum_long(data, seed)
