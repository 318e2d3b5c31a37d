// Publishes each argument as one atomic batch, whose events stand between its commas.
//
//     atomic_batches STREAM one two,three four

#include <tailrace/bus/publisher.hpp>

#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace tailrace;  // NOLINT: a program of one file

bus::PublishStatus publish_words(bus::Publisher& publisher, std::string_view words) {
    std::vector<bus::BatchEvent> events;
    for (;;) {
        const std::size_t comma = words.find(',');
        const std::string_view word = words.substr(0, comma);
        events.push_back({std::as_bytes(std::span(word)), {}});
        if (comma == std::string_view::npos) return publisher.publish_mixed_batch(events);
        words.remove_prefix(comma + 1);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    auto publisher = bus::Publisher::attach(argv[1], {});
    if (!publisher) {
        std::fprintf(stderr, "%s\n", publisher.error().message.c_str());
        return 1;
    }
    for (int batch = 2; batch < argc; ++batch) {
        if (publish_words(*publisher, argv[batch]) != bus::PublishStatus::ok) return 1;
    }
    return 0;
}
