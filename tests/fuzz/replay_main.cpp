// Runs a fuzz target without a fuzzer: over each file of its corpus, and over so many random
// changes of them. So that every build, with every compiler and sanitizer, meets what was once
// found.
//
//     x_replay ROUNDS FILE...

#include "support/seeded_random.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes);

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "cannot read '%s'\n", path);
        std::exit(2);  // NOLINT(concurrency-mt-unsafe)
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

void change(Bytes& bytes, tailrace::test::SeededRandom& random) {
    for (std::uint64_t changes = 1 + random.below(6); changes > 0; --changes) {
        const std::uint64_t at = random.below(bytes.size() + 1);
        const auto value = static_cast<std::uint8_t>(random.below(256));
        if (at == bytes.size() || random.one_in(4)) {
            bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), value);
        } else if (random.one_in(8)) {
            bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
        } else {
            bytes[at] = value;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<Bytes> corpus;
    for (int i = 2; i < argc; ++i)
        corpus.push_back(read_file(argv[i]));
    if (corpus.empty()) {
        std::fprintf(stderr, "usage: replay ROUNDS FILE...\n");
        return 2;
    }
    for (const Bytes& bytes : corpus)
        (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    tailrace::test::SeededRandom random("replay");
    const std::uint64_t rounds = std::strtoull(argv[1], nullptr, 0);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        Bytes bytes = corpus[random.below(corpus.size())];
        change(bytes, random);
        (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%zu files and %llu changes of them\n",
                corpus.size(),
                static_cast<unsigned long long>(rounds));
    return 0;
}
