#include "filter_option.hpp"

#include "event_key.hpp"

namespace tailrace::tool {

void add_filter_options(CLI::App& command, FilterFlags& flags) {
    command.add_option("--type", flags.types, "Only events of this type; may be given again")
        ->type_name("TYPE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command.add_option("--key", flags.keys, "Only events of this key; may be given again")
        ->type_name("KEY")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

bus::EventFilter filter_of(const FilterFlags& flags) {
    bus::EventFilter filter;
    for (const EventType type : flags.types)
        filter.add_type(type);
    for (const std::string& key : flags.keys)
        filter.add_key(event_key(key));
    return filter;
}

}  // namespace tailrace::tool
