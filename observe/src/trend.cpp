#include <tailrace/observe/trend.hpp>

#include <utility>

namespace tailrace::observe {

void Trend::judge(StreamHealth& health, std::uint64_t now_ns) {
    Looks& looks = looks_[health.stream];
    const bool is_first = looks.next.at_ns == 0;
    const bool keeps = is_first || now_ns - looks.next.at_ns >= window_ns_;
    if (keeps) looks.before = std::exchange(looks.next, Look{{}, now_ns});
    const Look& before = looks.before;
    for (ReaderHealth& reader : health.readers) {
        const std::string key = reader.reader + "/" + std::to_string(reader.pid);
        if (keeps) looks.next.readers[key] = reader.picture;
        const auto seen = before.readers.find(key);
        if (seen == before.readers.end()) {
            reader.state = reader_state(reader.picture, std::nullopt);
            continue;
        }
        reader.state = reader_state(reader.picture, seen->second);
        if (now_ns <= before.at_ns) continue;
        const double seconds = static_cast<double>(now_ns - before.at_ns) / 1e9;
        reader.trend_events_per_s = (static_cast<double>(reader.picture.lag.events) -
                                     static_cast<double>(seen->second.lag.events)) /
                                    seconds;
    }
}

}  // namespace tailrace::observe
