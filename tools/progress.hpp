// Progress: a line on the terminal for work that takes longer than a second; nothing elsewhere, or
// with -q. One thread.
#pragma once

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
        if (--calls_to_look_ == 0) look(done);
    }
    void set_total(std::uint64_t total) noexcept { total_ = total; }

private:
    void look(std::uint64_t done) noexcept;
    void show(std::string_view how_far) const;

    std::string what_;
    std::string unit_;
    std::uint64_t total_;
    std::uint64_t start_ns_;
    std::uint64_t last_look_ns_;
    std::uint64_t next_shown_ns_;
    std::uint32_t look_interval_ = 1;  // calls between two looks: adapts to how often it is called
    std::uint32_t calls_to_look_ = 1;
};

}  // namespace tailrace::tool
