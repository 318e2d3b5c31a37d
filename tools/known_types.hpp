// KnownTypes: what a stream or a journal says its events are made of, as far as that is known; more
// is looked for when an event comes that it doesn't explain. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tailrace::tool {

class KnownTypes {
public:
    // Nothing is known, and never will be.
    KnownTypes() = default;
    [[nodiscard]] static KnownTypes of_stream(std::shared_ptr<bus::Region> region);
    [[nodiscard]] static KnownTypes of_journal(std::string directory);

    [[nodiscard]] const schema::StreamSchema& schema() const noexcept { return schema_; }
    // Why they can't be read; then none are known.
    [[nodiscard]] const std::optional<Error>& problem() const noexcept { return problem_; }

    // Looks again if `event` isn't explained. True: there are others now, and what points into
    // schema() is stale.
    [[nodiscard]] bool learn_from(const Event& event) {
        return !explains(event) && may_have_grown(event) && read_again();
    }

private:
    [[nodiscard]] bool explains(const Event& event) const noexcept;
    [[nodiscard]] bool may_have_grown(const Event& event);
    [[nodiscard]] bool read_again();
    void take(Result<schema::StreamSchema> read);

    schema::StreamSchema schema_;
    std::optional<Error> problem_;
    std::shared_ptr<bus::Region> region_;  // of a stream
    bus::TypesMark mark_;                  // what schema_ was read from
    // Of a stream: events before it were published before the last look.
    Sequence looked_up_to_ = 0;
    std::string directory_;  // of a journal
    std::uint64_t next_look_ns_ = 0;
};

// Those of a stream or a journal, by whatever a person types: a name, or a directory of either.
[[nodiscard]] Result<schema::StreamSchema> types_of(const std::string& target);

}  // namespace tailrace::tool
