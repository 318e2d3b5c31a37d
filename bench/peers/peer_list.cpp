// Which peers there are: those of the system always, the others when their libraries were found.
#include "peer_rounds.hpp"

namespace tailrace::bench {

std::vector<CarrierPeer> carrier_peers() {
    std::vector<CarrierPeer> peers = ring_carriers();
#ifdef TAILRACE_PEER_ICEORYX
    peers.push_back(iceoryx_carrier());
#endif
    peers.push_back(message_queue_carrier());
#ifdef TAILRACE_PEER_ZEROMQ
    peers.push_back(zeromq_carrier());
#endif
#ifdef TAILRACE_PEER_NNG
    peers.push_back(nng_carrier());
#endif
    peers.push_back(seqpacket_carrier());
    peers.push_back(pipe_carrier());
    return peers;
}

std::vector<StorePeer> store_peers() {
    std::vector<StorePeer> peers = {journal_store(), raw_store()};
#ifdef TAILRACE_PEER_ROCKSDB
    peers.push_back(rocksdb_store());
#endif
#ifdef TAILRACE_PEER_SQLITE
    peers.push_back(sqlite_store());
#endif
#ifdef TAILRACE_PEER_REDIS
    peers.push_back(redis_store());
#endif
#ifdef TAILRACE_PEER_NATS
    peers.push_back(jetstream_store());
#endif
    return peers;
}

}  // namespace tailrace::bench
