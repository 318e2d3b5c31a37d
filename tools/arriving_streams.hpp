// ArrivingStreams: the streams that come while `tail` follows a pattern. One thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tailrace::tool {

class ArrivingStreams {
public:
    explicit ArrivingStreams(std::vector<std::string> patterns);

    // Those that match and aren't among `present`; looks four times a second at most.
    [[nodiscard]] std::vector<std::string> look(const std::vector<std::string>& present);
    // That it can't be read is worth a word once, while it stays; it is tried again.
    [[nodiscard]] bool is_news(const std::string& stream) { return told_.insert(stream).second; }

    // As a person wrote them: "'eu-*', 'us-?'".
    [[nodiscard]] std::string text() const;

private:
    std::vector<std::string> patterns_;
    std::set<std::string> told_;
    std::uint64_t next_look_ns_ = 0;
};

}  // namespace tailrace::tool
