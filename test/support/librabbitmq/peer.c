// Another client at the other end of the broker: what the tests have librabbitmq, RabbitMQ's C client, send and receive,
// with every property and every type of field named. It knows no octets: each value goes through the library's own
// structures, so that nothing of thump's reading of the specification is in it.
//
//   peer URL FRAME_MAX
//
// Lines in:  publish QUEUE MESSAGE     to the default exchange, mandatory; answered when the broker has confirmed
//            get QUEUE                 takes a message from the queue, settled
// Lines out: ready                     once, when the connection is open
//            ok [MESSAGE]              empty when a queue was
//            error TEXT                and that is the end of it
//
//   MESSAGE    BODY [NAME PROPERTY]... with the names of thump's properties
//   PROPERTY   OCTETS, a number, or the table `headers`
//   table      COUNT [OCTETS FIELD]...
//   FIELD      type tag and value, apart: I -5, S x6869, D 2 12345, A 2 I 1 V, F 1 x6b t 1
//   OCTETS     x and two hexadecimal digits for each octet
//
// What a line needs of memory comes from a pool, and goes with the next line. getline() is POSIX.

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

#define CHANNEL 1
#define POOL_PAGE 65536

static amqp_connection_state_t connection;
static amqp_pool_t pool;

static void fail(const char *format, ...) {
  va_list parameters;
  va_start(parameters, format);
  fputs("error ", stdout);
  vprintf(format, parameters);
  putchar('\n');
  exit(1);
}

static void check(int status) {
  if (status != AMQP_STATUS_OK) fail("%s", amqp_error_string2(status));
}

static void fail_closed(amqp_method_t method) {
  const char *what = "unexpected method";
  uint16_t code = 0;
  amqp_bytes_t text = amqp_empty_bytes;
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const amqp_channel_close_t *close = method.decoded;
    what = "channel closed", code = close->reply_code, text = close->reply_text;
  } else if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const amqp_connection_close_t *close = method.decoded;
    what = "connection closed", code = close->reply_code, text = close->reply_text;
  }
  fail("%s: %u %.*s", what, code, (int)text.len, text.len == 0 ? "" : (const char *)text.bytes);
}

static void check_reply(amqp_rpc_reply_t reply) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) fail_closed(reply.reply);
  fail("%s", amqp_error_string2(reply.library_error));
}

// ---- words of a line

static char *word(void) {
  char *next = strtok(NULL, " \n");
  if (next == NULL) fail("the line ends too soon");
  return next;
}

static int64_t signed_number(void) { return strtoll(word(), NULL, 10); }

static uint64_t unsigned_number(void) { return strtoull(word(), NULL, 10); }

static amqp_bytes_t octets(void) {
  const char *digits = word() + 1;
  amqp_bytes_t bytes = {strlen(digits) / 2, NULL};
  // The library takes a length of none with an address as well as without.
  bytes.bytes = amqp_pool_alloc(&pool, bytes.len + 1);
  for (size_t index = 0; index < bytes.len; index++) {
    const char pair[] = {digits[2 * index], digits[2 * index + 1], '\0'};
    ((unsigned char *)bytes.bytes)[index] = (unsigned char)strtoul(pair, NULL, 16);
  }
  return bytes;
}

static void put_octets(amqp_bytes_t bytes) {
  fputs(" x", stdout);
  for (size_t index = 0; index < bytes.len; index++) printf("%02x", ((const unsigned char *)bytes.bytes)[index]);
}

// ---- field tables

static void read_table(amqp_table_t *table);

static void read_field(amqp_field_value_t *field) {
  field->kind = (uint8_t)*word();
  switch (field->kind) {
    case AMQP_FIELD_KIND_BOOLEAN: field->value.boolean = (amqp_boolean_t)signed_number(); break;
    case AMQP_FIELD_KIND_I8: field->value.i8 = (int8_t)signed_number(); break;
    case AMQP_FIELD_KIND_U8: field->value.u8 = (uint8_t)unsigned_number(); break;
    case AMQP_FIELD_KIND_I16: field->value.i16 = (int16_t)signed_number(); break;
    case AMQP_FIELD_KIND_U16: field->value.u16 = (uint16_t)unsigned_number(); break;
    case AMQP_FIELD_KIND_I32: field->value.i32 = (int32_t)signed_number(); break;
    case AMQP_FIELD_KIND_U32: field->value.u32 = (uint32_t)unsigned_number(); break;
    case AMQP_FIELD_KIND_I64: field->value.i64 = signed_number(); break;
    case AMQP_FIELD_KIND_U64: field->value.u64 = unsigned_number(); break;
    case AMQP_FIELD_KIND_TIMESTAMP: field->value.u64 = unsigned_number(); break;
    case AMQP_FIELD_KIND_F32: field->value.f32 = strtof(word(), NULL); break;
    case AMQP_FIELD_KIND_F64: field->value.f64 = strtod(word(), NULL); break;
    case AMQP_FIELD_KIND_DECIMAL:
      field->value.decimal.decimals = (uint8_t)unsigned_number();
      field->value.decimal.value = (uint32_t)unsigned_number();
      break;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES: field->value.bytes = octets(); break;
    case AMQP_FIELD_KIND_TABLE: read_table(&field->value.table); break;
    case AMQP_FIELD_KIND_ARRAY: {
      amqp_array_t *array = &field->value.array;
      array->num_entries = (int)unsigned_number();
      array->entries = amqp_pool_alloc(&pool, array->num_entries * sizeof *array->entries + 1);
      for (int index = 0; index < array->num_entries; index++) read_field(&array->entries[index]);
      break;
    }
    case AMQP_FIELD_KIND_VOID: break;
    default: fail("unknown type tag %c", field->kind);
  }
}

static void read_table(amqp_table_t *table) {
  table->num_entries = (int)unsigned_number();
  table->entries = amqp_pool_alloc(&pool, table->num_entries * sizeof *table->entries + 1);
  for (int index = 0; index < table->num_entries; index++) {
    table->entries[index].key = octets();
    read_field(&table->entries[index].value);
  }
}

static void put_table(const amqp_table_t *table);

static void put_field(const amqp_field_value_t *field) {
  printf(" %c", field->kind);
  switch (field->kind) {
    case AMQP_FIELD_KIND_BOOLEAN: printf(" %d", field->value.boolean); break;
    case AMQP_FIELD_KIND_I8: printf(" %" PRId8, field->value.i8); break;
    case AMQP_FIELD_KIND_U8: printf(" %" PRIu8, field->value.u8); break;
    case AMQP_FIELD_KIND_I16: printf(" %" PRId16, field->value.i16); break;
    case AMQP_FIELD_KIND_U16: printf(" %" PRIu16, field->value.u16); break;
    case AMQP_FIELD_KIND_I32: printf(" %" PRId32, field->value.i32); break;
    case AMQP_FIELD_KIND_U32: printf(" %" PRIu32, field->value.u32); break;
    case AMQP_FIELD_KIND_I64: printf(" %" PRId64, field->value.i64); break;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP: printf(" %" PRIu64, field->value.u64); break;
    // So many digits are enough for any double, and so for any float.
    case AMQP_FIELD_KIND_F32: printf(" %.17g", (double)field->value.f32); break;
    case AMQP_FIELD_KIND_F64: printf(" %.17g", field->value.f64); break;
    case AMQP_FIELD_KIND_DECIMAL:
      printf(" %" PRIu8 " %" PRIu32, field->value.decimal.decimals, field->value.decimal.value);
      break;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES: put_octets(field->value.bytes); break;
    case AMQP_FIELD_KIND_TABLE: put_table(&field->value.table); break;
    case AMQP_FIELD_KIND_ARRAY:
      printf(" %d", field->value.array.num_entries);
      for (int index = 0; index < field->value.array.num_entries; index++)
        put_field(&field->value.array.entries[index]);
      break;
    default: break;
  }
}

static void put_table(const amqp_table_t *table) {
  printf(" %d", table->num_entries);
  for (int index = 0; index < table->num_entries; index++) {
    put_octets(table->entries[index].key);
    put_field(&table->entries[index].value);
  }
}

// ---- properties

enum domain { SHORTSTR, OCTET, TIMESTAMP, TABLE };

#define PROPERTY(name, FLAG, domain, member) \
  { name, AMQP_BASIC_##FLAG##_FLAG, domain, offsetof(amqp_basic_properties_t, member) }

static const struct property {
  const char *name;
  amqp_flags_t flag;
  enum domain domain;
  size_t offset;
} PROPERTIES[] = {
    PROPERTY("contentType", CONTENT_TYPE, SHORTSTR, content_type),
    PROPERTY("contentEncoding", CONTENT_ENCODING, SHORTSTR, content_encoding),
    PROPERTY("headers", HEADERS, TABLE, headers),
    PROPERTY("deliveryMode", DELIVERY_MODE, OCTET, delivery_mode),
    PROPERTY("priority", PRIORITY, OCTET, priority),
    PROPERTY("correlationId", CORRELATION_ID, SHORTSTR, correlation_id),
    PROPERTY("replyTo", REPLY_TO, SHORTSTR, reply_to),
    PROPERTY("expiration", EXPIRATION, SHORTSTR, expiration),
    PROPERTY("messageId", MESSAGE_ID, SHORTSTR, message_id),
    PROPERTY("timestamp", TIMESTAMP, TIMESTAMP, timestamp),
    PROPERTY("type", TYPE, SHORTSTR, type),
    PROPERTY("userId", USER_ID, SHORTSTR, user_id),
    PROPERTY("appId", APP_ID, SHORTSTR, app_id),
    PROPERTY("clusterId", CLUSTER_ID, SHORTSTR, cluster_id),
};
#define PROPERTY_COUNT (sizeof PROPERTIES / sizeof *PROPERTIES)

static void read_property(amqp_basic_properties_t *properties, const char *name) {
  for (size_t index = 0; index < PROPERTY_COUNT; index++) {
    const struct property *property = &PROPERTIES[index];
    if (strcmp(property->name, name) != 0) continue;
    void *member = (char *)properties + property->offset;
    properties->_flags |= property->flag;
    switch (property->domain) {
      case SHORTSTR: *(amqp_bytes_t *)member = octets(); break;
      case OCTET: *(uint8_t *)member = (uint8_t)unsigned_number(); break;
      case TIMESTAMP: *(uint64_t *)member = unsigned_number(); break;
      case TABLE: read_table(member); break;
    }
    return;
  }
  fail("unknown property %s", name);
}

static void put_properties(const amqp_basic_properties_t *properties) {
  for (size_t index = 0; index < PROPERTY_COUNT; index++) {
    const struct property *property = &PROPERTIES[index];
    if ((properties->_flags & property->flag) == 0) continue;
    const void *member = (const char *)properties + property->offset;
    printf(" %s", property->name);
    switch (property->domain) {
      case SHORTSTR: put_octets(*(const amqp_bytes_t *)member); break;
      case OCTET: printf(" %" PRIu8, *(const uint8_t *)member); break;
      case TIMESTAMP: printf(" %" PRIu64, *(const uint64_t *)member); break;
      case TABLE: put_table(member); break;
    }
  }
}

// ---- commands

static void publish(amqp_bytes_t queue) {
  amqp_bytes_t body = octets();
  amqp_basic_properties_t properties = {0};
  for (char *name; (name = strtok(NULL, " \n")) != NULL;) read_property(&properties, name);
  check(amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, queue, 1, 0, &properties, body));
  amqp_frame_t frame;
  check(amqp_simple_wait_frame(connection, &frame));
  if (frame.frame_type != AMQP_FRAME_METHOD) fail("unexpected frame of type %u", frame.frame_type);
  if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD) fail_closed(frame.payload.method);
  puts("ok");
}

static void get(amqp_bytes_t queue) {
  amqp_rpc_reply_t reply = amqp_basic_get(connection, CHANNEL, queue, 1);
  check_reply(reply);
  if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) {
    puts("ok");
    return;
  }
  amqp_message_t message;
  check_reply(amqp_read_message(connection, CHANNEL, &message, 0));
  fputs("ok", stdout);
  put_octets(message.body);
  put_properties(&message.properties);
  putchar('\n');
  amqp_destroy_message(&message);
}

static void open_connection(char *url, int frame_max) {
  struct amqp_connection_info info;
  struct timeval timeout = {10, 0};
  check(amqp_parse_url(url, &info));
  connection = amqp_new_connection();
  check(amqp_socket_open_noblock(amqp_tcp_socket_new(connection), info.host, info.port, &timeout));
  check_reply(
      amqp_login(connection, info.vhost, 0, frame_max, 0, AMQP_SASL_METHOD_PLAIN, info.user, info.password));
  amqp_channel_open(connection, CHANNEL);
  check_reply(amqp_get_rpc_reply(connection));
  amqp_confirm_select(connection, CHANNEL);
  check_reply(amqp_get_rpc_reply(connection));
}

int main(int count, char **parameters) {
  if (count != 3) fail("needs a URL and a frame-max");
  open_connection(parameters[1], atoi(parameters[2]));
  puts("ready");
  fflush(stdout);
  char *line = NULL;
  size_t capacity = 0;
  init_amqp_pool(&pool, POOL_PAGE);
  while (getline(&line, &capacity, stdin) > 0) {
    const char *command = strtok(line, " \n");
    amqp_bytes_t queue = amqp_cstring_bytes(word());
    if (strcmp(command, "publish") == 0) publish(queue);
    else if (strcmp(command, "get") == 0) get(queue);
    else fail("unknown command %s", command);
    fflush(stdout);
    recycle_amqp_pool(&pool);
    amqp_maybe_release_buffers(connection);
  }
  check_reply(amqp_connection_close(connection, AMQP_REPLY_SUCCESS));
  amqp_destroy_connection(connection);
  return 0;
}
