#include "holder_text.hpp"

#include "units.hpp"

#include <fmt/format.h>

namespace tailrace::tool {

namespace {

// Publishers announce this share of the ring at a time; with less room left, the next one waits.
constexpr std::uint64_t kCloseShare = bus::kCheckpointCount;

std::string_view kind_name(bus::HolderKind kind) {
    if (kind == bus::HolderKind::journal) return "journal";
    return kind == bus::HolderKind::publisher ? "publisher" : "reader";
}

// The one that a publisher named, if its slot is still taken.
std::string named(const std::string& stream,
                  const bus::Holder& holder,
                  const bus::StreamStatus& status) {
    if (holder.kind == bus::HolderKind::journal)
        return fmt::format("the journal, which nobody records (tailrace record {})", stream);
    if (holder.kind == bus::HolderKind::subscriber) {
        for (const bus::SubscriberStatus& subscriber : status.subscribers) {
            if (subscriber.slot_index != holder.slot_index) continue;
            return fmt::format("reader '{}' (pid {})", tame(subscriber.name), subscriber.pid);
        }
    }
    for (const bus::PublisherStatus& publisher : status.publishers) {
        if (holder.kind != bus::HolderKind::publisher) break;
        if (publisher.slot_index != holder.slot_index) continue;
        return fmt::format("the open claim of '{}' (pid {})", tame(publisher.name), publisher.pid);
    }
    return fmt::format(
        "{} slot {}, which is free by now", kind_name(holder.kind), holder.slot_index);
}

}  // namespace

std::string holder_text(const std::string& stream,
                        const bus::StreamStatus& status,
                        std::uint64_t capacity_bytes) {
    std::string text;
    for (const bus::PublisherStatus& publisher : status.publishers) {
        if (publisher.held_by.kind == bus::HolderKind::nobody) continue;
        text += fmt::format("{}: publisher '{}' (pid {}) has been held up for {} by {}\n",
                            stream,
                            tame(publisher.name),
                            publisher.pid,
                            duration_text(publisher.held_ns),
                            named(stream, publisher.held_by, status));
    }
    if (!status.holder || status.holder->room_bytes >= capacity_bytes / kCloseShare) return text;
    const bus::HolderStatus& holder = *status.holder;
    if (holder.holder.kind == bus::HolderKind::journal) {
        return text + fmt::format(
                          "{}: nobody records, which holds publishers back: room for {} is "
                          "left (tailrace record {})\n",
                          stream,
                          size_text(holder.room_bytes),
                          stream);
    }
    text += fmt::format(
        "{}: {} '{}' (pid {}) holds publishers back: room for {} is left\n",
        stream,
        holder.holder.kind == bus::HolderKind::publisher ? "the open claim of" : "reader",
        tame(holder.name),
        holder.pid,
        size_text(holder.room_bytes));
    return text;
}

Json holder_json(const std::string& stream, const bus::StreamStatus& status) {
    if (!status.holder) return {};
    Json document;
    document["stream"] = stream;
    document["kind"] = kind_name(status.holder->holder.kind);
    const bool is_process = status.holder->holder.kind != bus::HolderKind::journal;
    document["slot"] = is_process ? Json(status.holder->holder.slot_index) : Json();
    document["name"] = is_process ? status.holder->name : "journal";
    document["pid"] = is_process ? Json(status.holder->pid) : Json();
    if (!is_process) document["hint"] = "tailrace record " + stream;
    document["room_bytes"] = status.holder->room_bytes;
    document["held_up"] = Json::array();
    for (const bus::PublisherStatus& publisher : status.publishers) {
        if (publisher.held_by.kind == bus::HolderKind::nobody) continue;
        Json held;
        held["publisher"] = publisher.name;
        held["pid"] = publisher.pid;
        held["held_ns"] = ns_string(publisher.held_ns);
        held["by_kind"] = kind_name(publisher.held_by.kind);
        const bool by_process = publisher.held_by.kind != bus::HolderKind::journal;
        held["by_slot"] = by_process ? Json(publisher.held_by.slot_index) : Json();
        document["held_up"].push_back(std::move(held));
    }
    return document;
}

}  // namespace tailrace::tool
