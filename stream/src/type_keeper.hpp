// TypeKeeper: takes the types that a recorded stream declares over into its journal.
//
// At once when recording begins, and then when the stream's file has changed, which it looks at
// twice a second: publishers declare types as they attach. The recorder's thread makes the calls.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tailrace::stream {

class TypeKeeper {
public:
    // The journal's lock is this process's, as long as the keeper lives.
    TypeKeeper(std::shared_ptr<bus::Region> region, std::string directory);

    // What either knows, both know. Error `incompatible` when they contradict each other; whatever
    // else fails is told as trouble: events can be recorded all the same.
    [[nodiscard]] Result<void> begin();
    // A look at the file when one is due. At `now_ns` of the monotonic clock.
    void look(std::uint64_t now_ns);
    // The last look.
    void finish() { take_over(); }

    // Why types can't be kept, once each time it comes up.
    [[nodiscard]] std::optional<Error> take_trouble() noexcept {
        return std::exchange(trouble_, std::nullopt);
    }

private:
    void take_over();
    void tell(const Error& error);

    const std::shared_ptr<bus::Region> region_;
    const std::string directory_;
    std::optional<bus::TypesMark> taken_;  // none: not yet, or in vain
    std::uint64_t next_look_ns_ = 0;
    std::string told_;  // the last trouble, as long as it lasts
    std::optional<Error> trouble_;
};

}  // namespace tailrace::stream
