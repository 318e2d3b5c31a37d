// Progress: a line on the terminal for work that takes longer than a second; nothing elsewhere, or
// with -q. One thread.
#pragma once

#include "look_pace.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::tool {

class Progress {
public:
    // `total` 0: unknown. `unit` is what is counted: "events".
    Progress(std::string what, std::string unit, std::uint64_t total);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    // Clears the line.
    ~Progress();

    // Cheap: looks at the clock only now and then.
    void update(std::uint64_t done) noexcept {
        if (looks_.is_due()) look(done);
    }
    void set_total(std::uint64_t total) noexcept { total_ = total; }

private:
    void look(std::uint64_t done) noexcept;
    void show(std::string_view how_far) const;

    std::string what_;
    std::string unit_;
    std::uint64_t total_;
    LookPace looks_;
    std::uint64_t start_ns_;
    std::uint64_t next_shown_ns_;
};

}  // namespace tailrace::tool
