// Compiled into a shared object against an installed Tailrace: all that a recorder needs is inside,
// and what watches it.

#include <tailrace/observe/stream_health.hpp>
#include <tailrace/stream/recorder.hpp>

extern "C" __attribute__((visibility("default"))) int record_once(const char* stream,
                                                                  const char* directory);

extern "C" __attribute__((visibility("default"))) int count_readers(const char* stream);

int count_readers(const char* stream) {
    const auto health = tailrace::observe::read_health(stream);
    return health ? static_cast<int>(health->readers.size()) : -1;
}

int record_once(const char* stream, const char* directory) {
    tailrace::stream::RecorderOptions options;
    options.journal.directory = directory;
    auto recorder = tailrace::stream::Recorder::attach(stream, options);
    return recorder ? 0 : 1;
}
