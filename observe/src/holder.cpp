#include <tailrace/observe/holder.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <array>

namespace tailrace::observe {

namespace {

std::string holder_kind_name(bus::HolderKind kind) {
    if (kind == bus::HolderKind::journal) return "journal";
    return kind == bus::HolderKind::publisher ? "publisher" : "reader";
}

bool is_process(const bus::Holder& holder) noexcept {
    return holder.kind != bus::HolderKind::journal;
}

std::string process_text(const std::string& name, std::uint32_t pid) {
    return "'" + name + "' (pid " + std::to_string(pid) + ")";
}

// The one that a publisher named, if its slot is still taken.
std::string holder_text(const std::string& stream,
                        const bus::Holder& holder,
                        const bus::StreamStatus& status) {
    if (holder.kind == bus::HolderKind::journal)
        return "the journal, which nobody records (tailrace record " + stream + ")";
    if (holder.kind == bus::HolderKind::subscriber) {
        for (const bus::SubscriberStatus& subscriber : status.subscribers) {
            if (subscriber.slot_index == holder.slot_index)
                return "reader " + process_text(subscriber.name, subscriber.pid);
        }
    }
    for (const bus::PublisherStatus& publisher : status.publishers) {
        if (holder.kind != bus::HolderKind::publisher) break;
        if (publisher.slot_index == holder.slot_index)
            return "the open claim of " + process_text(publisher.name, publisher.pid);
    }
    return holder_kind_name(holder.kind) + " slot " + std::to_string(holder.slot_index) +
           ", which is free by now";
}

constexpr auto kHeldPublisherFigures = std::to_array<Figure<HeldPublisher>>({
    {"publisher",
     Unit::text,
     "that waits for room in the ring",
     [](const HeldPublisher& row) -> Value {
         return row.publisher;
     }},
    {"pid",
     Unit::number,
     "its process",
     [](const HeldPublisher& row) -> Value {
         return std::uint64_t{row.pid};
     }},
    {"held_ns",
     Unit::nanoseconds,
     "for how long it has been held up",
     [](const HeldPublisher& row) -> Value {
         return row.held_ns;
     }},
    {"by_kind",
     Unit::text,
     "by what: reader, publisher (an open claim) or journal (nobody records)",
     [](const HeldPublisher& row) -> Value {
         return holder_kind_name(row.by.kind);
     }},
    {"by_slot",
     Unit::number,
     "by the process in this slot; null: the journal",
     [](const HeldPublisher& row) -> Value {
         return is_process(row.by) ? Value(std::uint64_t{row.by.slot_index}) : Value(Unknown{});
     }},
});

constexpr auto kHolderFigures = std::to_array<Figure<HolderHealth>>({
    {"stream",
     Unit::text,
     "the stream",
     [](const HolderHealth& row) -> Value {
         return row.stream;
     }},
    {"kind",
     Unit::text,
     "what is furthest behind: reader, publisher (an open claim) or journal (nobody records)",
     [](const HolderHealth& row) -> Value {
         return holder_kind_name(row.status.holder.kind);
     }},
    {"slot",
     Unit::number,
     "its slot; null: the journal",
     [](const HolderHealth& row) -> Value {
         const bus::Holder& holder = row.status.holder;
         return is_process(holder) ? Value(std::uint64_t{holder.slot_index}) : Value(Unknown{});
     }},
    {"name",
     Unit::text,
     "its name",
     [](const HolderHealth& row) -> Value {
         return is_process(row.status.holder) ? row.status.name : std::string("journal");
     }},
    {"pid",
     Unit::number,
     "its process; null: the journal",
     [](const HolderHealth& row) -> Value {
         return is_process(row.status.holder) ? Value(std::uint64_t{row.status.pid})
                                              : Value(Unknown{});
     }},
    {"hint",
     Unit::text,
     "of the journal: the command that lets publishers go on",
     [](const HolderHealth& row) -> Value {
         if (is_process(row.status.holder)) return Absent{};
         return "tailrace record " + row.stream;
     }},
    {"room_bytes",
     Unit::bytes,
     "of the ring, that publishers may still write before they wait for it",
     [](const HolderHealth& row) -> Value {
         return row.status.room_bytes;
     }},
});

}  // namespace

std::span<const Figure<HeldPublisher>> held_publisher_figures() noexcept {
    return kHeldPublisherFigures;
}

std::span<const Figure<HolderHealth>> holder_figures() noexcept {
    return kHolderFigures;
}

std::vector<HeldPublisher> held_publishers(const std::string& stream,
                                           const bus::StreamStatus& status) {
    std::vector<HeldPublisher> held;
    for (const bus::PublisherStatus& publisher : status.publishers) {
        if (publisher.held_by.kind == bus::HolderKind::nobody) continue;
        held.push_back({publisher.name,
                        publisher.pid,
                        publisher.held_ns,
                        publisher.held_by,
                        holder_text(stream, publisher.held_by, status)});
    }
    return held;
}

std::vector<std::string> holder_lines(const std::string& stream,
                                      const std::vector<HeldPublisher>& held,
                                      const std::optional<HolderHealth>& holder) {
    std::vector<std::string> lines;
    for (const HeldPublisher& publisher : held) {
        lines.push_back(stream + ": publisher " + process_text(publisher.publisher, publisher.pid) +
                        " has been held up for " + duration_text(publisher.held_ns) + " by " +
                        publisher.by_text);
    }
    if (!holder || !holder->is_close) return lines;
    const bus::HolderStatus& status = holder->status;
    const std::string room = "room for " + size_text(status.room_bytes) + " is left in the ring";
    if (!is_process(status.holder)) {
        lines.push_back(stream + ": nobody records, which holds publishers back: " + room +
                        " (tailrace record " + stream + ")");
        return lines;
    }
    const bool is_claim = status.holder.kind == bus::HolderKind::publisher;
    lines.push_back(stream + (is_claim ? ": the open claim of " : ": reader ") +
                    process_text(status.name, status.pid) + " holds publishers back: " + room);
    return lines;
}

}  // namespace tailrace::observe
