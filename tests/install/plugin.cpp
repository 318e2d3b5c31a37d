// Compiled into a shared object against an installed Tailrace: all that a recorder needs is inside.

#include <tailrace/bridge/recorder.hpp>

extern "C" __attribute__((visibility("default"))) int record_once(const char* stream,
                                                                  const char* directory);

int record_once(const char* stream, const char* directory) {
    tailrace::bridge::RecorderOptions options;
    options.journal.directory = directory;
    auto recorder = tailrace::bridge::Recorder::attach(stream, options);
    return recorder ? 0 : 1;
}
