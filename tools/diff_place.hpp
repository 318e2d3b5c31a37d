// DiffPlace: one side of `tailrace diff`: where its events come from, and how they are looked up
// again to be shown. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

// An event that outlives its reader.
class KeptEvent {
public:
    explicit KeptEvent(const Event& event);
    [[nodiscard]] Event event() const noexcept;

private:
    Sequence sequence_;
    std::vector<std::byte> record_;
};

class DiffPlace {
public:
    // A journal's directory, a stream, or the journal of a stream that is gone.
    [[nodiscard]] static Result<DiffPlace> find(const std::string& target);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    // Both are one and the same.
    [[nodiscard]] bool is(const DiffPlace& other) const;

    // The end of what is there now, or of what comes before `to`.
    [[nodiscard]] Result<Sequence> end_of(const std::optional<Position>& to) const;
    [[nodiscard]] Result<stream::StreamReader> read_from(const Position& from) const;

private:
    std::string name_;
    std::shared_ptr<bus::Region> region_;  // null: a journal alone
    std::string directory_;                // of that
};

// Events of a range, by their sequences: best in ascending order. What is gone meanwhile is empty.
class EventLookup {
public:
    EventLookup(DiffPlace place, Sequence first, Sequence end)
        : place_(std::move(place)),
          first_(first),
          end_(end) {}

    [[nodiscard]] std::optional<KeptEvent> find(Sequence sequence);
    // The events around `sequence`, up to `count` before it and `count` from it on, of a single key
    // if asked for. kNoSequence: the last ones.
    [[nodiscard]] std::vector<KeptEvent> around(Sequence sequence,
                                                std::size_t count,
                                                const std::optional<Event>& of_its_key) const;

private:
    DiffPlace place_;
    Sequence first_;
    Sequence end_;
    std::optional<stream::StreamReader> reader_;
};

}  // namespace tailrace::tool
