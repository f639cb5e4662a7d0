// The C client: publishes with librabbitmq as its examples do, one amqp_basic_publish() for each message, first to find its
// pace and then for the time that it is to take. Prints the sample as JSON.
//
//   librabbitmq PORT BODY_SIZE SECONDS MESSAGES    (MESSAGES 0: as many as SECONDS are good for)

#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

#define CHANNEL 1
#define FRAME_MAX 131072
#define FIRST_ROUND 20000
#define PERSISTENT 2

static amqp_connection_state_t connection;
static uint64_t published;

static void fail(const char *what) {
  fprintf(stderr, "librabbitmq: %s\n", what);
  exit(1);
}

static void check_reply(const char *what) {
  if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) fail(what);
}

static void connect_to(int port) {
  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (socket == NULL || amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK) fail("no connection");
  amqp_rpc_reply_t login =
      amqp_login(connection, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
  if (login.reply_type != AMQP_RESPONSE_NORMAL) fail("no login");
  amqp_channel_open(connection, CHANNEL);
  check_reply("no channel");
}

// What was published is not done before the broker has counted it.
static void expect_tally(void) {
  amqp_queue_declare_ok_t *ok =
      amqp_queue_declare(connection, CHANNEL, amqp_cstring_bytes("tally.received"), 0, 1, 0, 0, amqp_empty_table);
  check_reply("no tally");
  if (ok->message_count != published) fail("the broker has counted another number of messages");
}

static void publish(amqp_bytes_t body, uint64_t messages) {
  amqp_bytes_t exchange = amqp_cstring_bytes("");
  amqp_bytes_t routing_key = amqp_cstring_bytes("bench");
  amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = PERSISTENT};
  for (uint64_t sent = 0; sent < messages; sent++) {
    if (amqp_basic_publish(connection, CHANNEL, exchange, routing_key, 0, 0, &properties, body) != AMQP_STATUS_OK)
      fail("no publish");
  }
  published += messages;
  expect_tally();
}

static double wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return 1e3 * (double)now.tv_sec + (double)now.tv_nsec / 1e6;
}

static double microseconds(struct timeval time) { return 1e6 * (double)time.tv_sec + (double)time.tv_usec; }

int main(int count, char **parameters) {
  if (count != 5) fail("PORT BODY_SIZE SECONDS MESSAGES");
  size_t size = (size_t)atol(parameters[2]);
  double seconds = atof(parameters[3]);
  uint64_t messages = (uint64_t)atoll(parameters[4]);
  amqp_bytes_t body = {.len = size, .bytes = malloc(size)};
  if (body.bytes == NULL) fail("no memory");
  memset(body.bytes, 'x', size);
  connect_to(atoi(parameters[1]));

  double begin = wall_ms();
  publish(body, FIRST_ROUND);
  if (messages == 0) messages = 1 + (uint64_t)(FIRST_ROUND * seconds * 1e3 / (wall_ms() - begin));

  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  begin = wall_ms();
  publish(body, messages);
  double wall = wall_ms() - begin;
  getrusage(RUSAGE_SELF, &after);

  double user = microseconds(after.ru_utime) - microseconds(before.ru_utime);
  double system = microseconds(after.ru_stime) - microseconds(before.ru_stime);
  // librabbitmq 0.11 calls sendto for each of the three frames of a message, as strace shows; the octets are not counted.
  printf(
      "{\"messages\":%llu,\"wallMs\":%f,\"cpuUs\":%f,\"systemUs\":%f,\"gcMs\":0,\"writes\":%llu,"
      "\"octetsWritten\":0,\"rssOctets\":%ld}\n",
      (unsigned long long)messages, wall, user + system, system, 3 * (unsigned long long)messages,
      1024 * after.ru_maxrss);
  return 0;
}
