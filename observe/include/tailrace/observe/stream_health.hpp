// StreamHealth: how a stream is doing: all who read it and how far each is behind, who holds
// publishers back, and whether its times can be believed.
//
//     auto health = observe::read_health("orders");
//     if (!health) return health.error();
//     for (const observe::ReaderHealth& reader : health->readers) {
//         const auto trouble = observe::trouble_of(reader);
//         if (trouble) alert(trouble->what, trouble->hint);
//     }
//
// Reads shared memory, and of the kernel who is alive; writes nothing and takes no place among the
// readers. Any process that may read the stream, any thread. Its cost: some system calls for each
// publisher and reader, and a look at up to a thousand events.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/observe/group_health.hpp>
#include <tailrace/observe/holder.hpp>
#include <tailrace/observe/reader_health.hpp>
#include <tailrace/observe/trouble.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::observe {

struct StreamHealth {
    std::string stream;
    std::vector<ReaderHealth> readers;  // subscribers, the journal, cursors that nobody reads by
    std::vector<GroupHealth> groups;
    std::vector<HeldPublisher> held_up;  // publishers that wait
    std::optional<HolderHealth> holder;  // whoever is furthest behind; empty: nobody is behind
    std::optional<Trouble> clock;        // its publish times can't be believed
};

[[nodiscard]] StreamHealth read_health(const std::shared_ptr<bus::Region>& region);

// By what was read of it already; without `clock`, which costs a look at events.
[[nodiscard]] StreamHealth health_of(const std::shared_ptr<bus::Region>& region,
                                     const bus::StreamStatus& status);

// `directory` of rings; empty: the default. Errors: as of bus::Region::open.
[[nodiscard]] Result<StreamHealth> read_health(const std::string& stream,
                                               const std::string& directory = {});

}  // namespace tailrace::observe
