/// The page about the configuration, made from the table that reads it.
public enum SettingsReference {
    /// The text of `Documentation/configuration.md`.
    public static var markdown: String {
        ([introduction] + topics.map(section) + [stores, datasets]).joined(separator: "\n")
    }

    private static let introduction = """
        # Configuration

        This page is made from the table of settings (`make docs`); a test holds it against the program.

        A value is looked for in this order, and the first one found counts:

        1. flags of the command: `--data`, `--listen`, and `--set KEY=VALUE` for any key but secrets
        2. environment variables: `engine.leaseSeconds` is `WAYBILL_ENGINE_LEASE_SECONDS`; an empty one counts as not set
        3. the YAML file that `--config FILE` names, for example

           ```yaml
           engine:
             leaseSeconds: 30s
             workers: 8
           ```
        4. the default

        Durations are written `90s`, `15m`, `1h30m`, `7d` (also `ms` and `w`) or as plain seconds; bytes as `64MiB`, `1GiB` or a
        plain number.

        A secret may lie in a file that a variable with `_FILE` at its end names (`WAYBILL_SIGNING_KEY_FILE`). If both are set,
        the server does not start; neither does it with a key that does not exist or a value out of its range: it lists
        everything that is wrong. `waybill config show` prints each value and where it comes from.

        """

    /// The first parts of the keys, in the order of the table.
    private static var topics: [String] {
        var found: [String] = []
        for entry in Settings.entries {
            let topic = String(entry.name.prefix { $0 != "." })
            if !found.contains(topic) { found.append(topic) }
        }
        return found
    }

    private static func section(_ topic: String) -> String {
        let rows = Settings.entries.filter { $0.name.hasPrefix(topic + ".") }.map { entry in
            let kind = entry.isSecret ? "\(entry.type), secret" : entry.type
            let standard = entry.defaultText.isEmpty ? "none" : "`\(entry.defaultText)`"
            return "| `\(entry.name)` | \(kind) | \(standard) | \(entry.range) | \(entry.summary) |"
        }
        return "## \(topic)\n\n| key | type | default | allowed | what it does |\n|---|---|---|---|---|\n"
            + rows.joined(separator: "\n") + "\n"
    }

    private static let stores = """
        ## drive.stores

        Stores that [pools](drive.md#pools) of the drive may have beside the installation's own, each with a name of small
        letters, digits and `_`:

        ```yaml
        drive:
          stores:
            archive: file:///mnt/archive
            media: s3://media/files?endpoint=https://s3.example.com&region=eu-west-1
        ```

        They are written as `blobs.url` is, and take their credentials from the same places. `drive.stores.archive` is also
        `WAYBILL_DRIVE_STORES_ARCHIVE`, and `--set drive.stores.archive=…`. Each needs a place of its own, and is tied to the
        database as the installation's store is. With several nodes they are the same on all of them. A name stays as long as
        there are files in it: [operating](operating.md#stores-of-pools).

        """

    private static let datasets = """
        ## datasets

        Tables or views of SQLite files or of PostgreSQL databases that can be exported without copying them, in the file only:

        ```yaml
        datasets:
          flights:
            source: /srv/flights.sqlite
            table: flights
            key: id
            tenants: [default]
            readers: [role:analyst, user:ada]
            columns: [id, carrier, origin, dest]
          orders:
            source: postgres://reader@db.internal/shop
            table: sales.orders
            key: number
            tenantColumn: customer
            readers: [everyone]
        ```

        | field | what it is |
        |---|---|
        | `source` | path of a SQLite file, or `postgres://…` with libpq's options, which is never shown; it is only read |
        | `table` | the table or view |
        | `key` | the column that orders the rows and tells them apart; best with an index |
        | `tenantColumn` or `tenants` | whose rows they are: a column with the tenant's name, or tenants who share all rows |
        | `readersColumn` or `readers` | who may read them: a column, or a list, of `everyone`, `role:NAME`, `user:NAME` |
        | `columns` | optional: the columns to export, in this order |

        Exactly one of each pair is needed, so that nothing is open by omission.

        """
}
