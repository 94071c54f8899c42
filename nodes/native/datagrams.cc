// Datagrams in batches: one system call takes or sends up to 64 of them, from and into rings that JavaScript allocated.
// Called once per tick; allocates nothing, keeps nothing but the descriptor, touches no packet's contents.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"

namespace herd {
namespace {

constexpr int kBatch = 64;
constexpr uint32_t kDatagramBytesMax = 65507;
constexpr double kPorts = 65536;
constexpr double kEndpoints = kPorts * 65536 * 65536;

napi_value ThrowErrno(napi_env env, int error) {
  napi_throw_error(env, strerrorname_np(error), strerror(error));
  return nullptr;
}

napi_value Number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

// A ring and the descriptor, as both receive and send get them: fd, bytes, slotBytes, lengths, endpoints, first, count.
// Slots first to count - 1 are meant.
struct Ring {
  int fd;
  unsigned char* bytes;
  uint32_t slot_bytes;
  uint16_t* lengths;
  double* endpoints;
  uint32_t first;
  uint32_t count;

  bool Read(napi_env env, napi_callback_info info) {
    size_t argc = 7, length;
    napi_value args[7];
    if (napi_get_cb_info(env, info, &argc, args, nullptr, nullptr) != napi_ok || argc != 7) return false;
    if (napi_get_value_int32(env, args[0], &fd) != napi_ok) return false;
    if (napi_get_value_uint32(env, args[2], &slot_bytes) != napi_ok || slot_bytes == 0 || slot_bytes > 65535) return false;
    if (napi_get_value_uint32(env, args[5], &first) != napi_ok) return false;
    if (napi_get_value_uint32(env, args[6], &count) != napi_ok || first > count) return false;
    return Elements(env, args[1], napi_uint8_array, &bytes, &length) && length / slot_bytes >= count &&
           Elements(env, args[3], napi_uint16_array, &lengths, &length) && length >= count &&
           Elements(env, args[4], napi_float64_array, &endpoints, &length) && length >= count;
  }
};

// openSocket(port, receiveBufferBytes): a bound, non-blocking IPv4 socket's descriptor.
napi_value OpenSocket(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value args[2];
  uint32_t port, buffer_bytes;
  if (napi_get_cb_info(env, info, &argc, args, nullptr, nullptr) != napi_ok || argc != 2 ||
      napi_get_value_uint32(env, args[0], &port) != napi_ok || port > 65535 ||
      napi_get_value_uint32(env, args[1], &buffer_bytes) != napi_ok) {
    return ThrowType(env, "openSocket takes a port and a buffer size");
  }
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ThrowErrno(env, errno);
  // A host that forbids so much grants what it grants.
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    int error = errno;
    close(fd);
    return ThrowErrno(env, error);
  }
  return Number(env, fd);
}

// Says how long the datagrams are that a message is to be cut into.
struct SegmentSize {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];

  void Set(msghdr* message, uint16_t length) {
    message->msg_control = control;
    message->msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof length);
    memcpy(CMSG_DATA(header), &length, sizeof length);
  }
};

// receive(ring): the slot behind the last that was filled. A datagram longer than its slot gets the length 65535.
napi_value Receive(napi_env env, napi_callback_info info) {
  Ring ring;
  if (!ring.Read(env, info)) return ThrowType(env, "receive takes fd, bytes, slotBytes, lengths, endpoints, first, count");
  mmsghdr messages[kBatch];
  iovec vectors[kBatch];
  sockaddr_in addresses[kBatch];
  uint32_t got = ring.first;
  while (got < ring.count) {
    int want = ring.count - got < kBatch ? static_cast<int>(ring.count - got) : kBatch;
    for (int i = 0; i < want; i += 1) {
      vectors[i] = {ring.bytes + static_cast<size_t>(got + i) * ring.slot_bytes, ring.slot_bytes};
      Touch(vectors[i].iov_base, ring.slot_bytes);
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &addresses[i];
      messages[i].msg_hdr.msg_namelen = sizeof addresses[i];
    }
    int taken = recvmmsg(ring.fd, messages, want, MSG_DONTWAIT, nullptr);
    // An error is that of an earlier send (no such port) or an empty socket: the next tick asks again.
    if (taken <= 0) break;
    for (int i = 0; i < taken; i += 1) {
      bool truncated = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
      ring.lengths[got + i] = truncated ? 65535 : static_cast<uint16_t>(messages[i].msg_len);
      ring.endpoints[got + i] = ntohl(addresses[i].sin_addr.s_addr) * kPorts + ntohs(addresses[i].sin_port);
    }
    got += static_cast<uint32_t>(taken);
    if (taken < want) break;
  }
  return Number(env, got);
}

// How many slots from `first` on, up to `end`, can go as one message: those to one endpoint and of one length that fit
// a datagram together. The kernel passes them down as one and cuts them apart behind its network layers (UDP_SEGMENT, of
// Linux 4.18, which Node needs too): its layers cost more than all else of a datagram. What leaves the machine is the same.
uint32_t RunLength(const Ring& ring, uint32_t first, uint16_t length, uint32_t end) {
  if (length == 0) return 1;
  uint32_t most = kDatagramBytesMax / length;
  uint32_t next = first + 1;
  while (next < end && next - first < most && ring.lengths[next] == length && ring.endpoints[next] == ring.endpoints[first]) {
    next += 1;
  }
  return next - first;
}

// send(ring): how many were handed to the kernel. One that it refuses (no route, no room) is lost, as on any path.
napi_value Send(napi_env env, napi_callback_info info) {
  Ring ring;
  if (!ring.Read(env, info)) return ThrowType(env, "send takes fd, bytes, slotBytes, lengths, endpoints, first, count");
  mmsghdr messages[kBatch];
  iovec vectors[kBatch];
  sockaddr_in addresses[kBatch];
  SegmentSize sizes[kBatch];
  uint32_t datagrams[kBatch];
  uint32_t done = ring.first, sent = 0, alone_until = ring.first;
  while (done < ring.count) {
    uint32_t end = ring.count - done < kBatch ? ring.count : done + kBatch;
    int want = 0;
    for (uint32_t slot = done; slot < end; want += 1) {
      // Read once: the array may be shared with another thread.
      uint16_t length = ring.lengths[slot];
      if (length > ring.slot_bytes) return ThrowRange(env, "a length is larger than its slot");
      double endpoint = ring.endpoints[slot];
      if (!(endpoint >= 0 && endpoint < kEndpoints)) return ThrowRange(env, "an endpoint is not an address and a port");
      uint32_t ip = static_cast<uint32_t>(endpoint / kPorts);
      addresses[want] = {};
      addresses[want].sin_family = AF_INET;
      addresses[want].sin_addr.s_addr = htonl(ip);
      addresses[want].sin_port = htons(static_cast<uint16_t>(endpoint - ip * kPorts));
      uint32_t run = slot < alone_until ? 1 : RunLength(ring, slot, length, end);
      for (uint32_t i = slot; i < slot + run; i += 1) {
        vectors[i - done] = {ring.bytes + static_cast<size_t>(i) * ring.slot_bytes, length};
        Touch(vectors[i - done].iov_base, length);
      }
      messages[want] = {};
      messages[want].msg_hdr.msg_iov = &vectors[slot - done];
      messages[want].msg_hdr.msg_iovlen = run;
      messages[want].msg_hdr.msg_name = &addresses[want];
      messages[want].msg_hdr.msg_namelen = sizeof addresses[want];
      if (run > 1) sizes[want].Set(&messages[want].msg_hdr, length);
      datagrams[want] = run;
      slot += run;
    }
    int taken = sendmmsg(ring.fd, messages, want, MSG_DONTWAIT);
    for (int i = 0; i < taken; i += 1) {
      sent += datagrams[i];
      done += datagrams[i];
    }
    if (taken > 0) continue;
    // A run may be refused where its datagrams would not be (an interface that cannot, less room): they get their own try.
    if (datagrams[0] > 1) alone_until = done + datagrams[0];
    // The first that was not taken is skipped, or one bad address would hold up all behind it.
    else done += 1;
  }
  return Number(env, sent);
}

napi_value CloseSocket(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value args[1];
  int fd;
  if (napi_get_cb_info(env, info, &argc, args, nullptr, nullptr) != napi_ok || argc != 1 ||
      napi_get_value_int32(env, args[0], &fd) != napi_ok) {
    return ThrowType(env, "closeSocket takes a descriptor");
  }
  close(fd);
  return nullptr;
}

}  // namespace

void DefineDatagrams(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"openSocket", nullptr, OpenSocket, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"receive", nullptr, Receive, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"send", nullptr, Send, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"closeSocket", nullptr, CloseSocket, nullptr, nullptr, nullptr, napi_default, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions);
}

}  // namespace herd
