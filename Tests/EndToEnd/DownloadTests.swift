import Testing

@Suite(.server(["exports.linkTTL": "20s"]))
struct DownloadTests {
    /// Somebody with a finished export of 300 articles, its status and its file.
    private func finished() async throws -> (ada: User, job: JSON, id: String, file: RawResponse) {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(300)
        let job = try await ada.exported()
        let id = try #require(job["jobId"]?.string)
        return (ada, job, id, try await ada.download(id))
    }

    @Test("the file comes whole, with its name, length, digest and strong tag, as an attachment")
    func whole() async throws {
        let (ada, _, id, file) = try await finished()
        #expect(file["Content-Length"] == "\(file.body.count)")
        #expect(file["Content-Type"]?.hasPrefix("text/csv") == true)
        #expect(file["Content-Disposition"]?.hasPrefix("attachment; filename=\"article.csv\"") == true)
        #expect(file["X-Content-Type-Options"] == "nosniff")
        #expect(file["Accept-Ranges"] == "bytes")
        let tag = try #require(file["ETag"])
        #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && tag.count > 10)
        let digest = try await Tool.python(
            """
            import base64, hashlib, sys
            digest = hashlib.sha256(open(sys.argv[1], 'rb').read()).digest()
            print('sha-256=:' + base64.b64encode(digest).decode() + ':', end='')
            """,
            file.body)
        #expect(file["Repr-Digest"] == digest)
        let head = try await ada.send("HEAD", "/content/export/\(id)/download")
        #expect(head.status == 200 && head.body.isEmpty)
        for name in ["Content-Length", "ETag", "Content-Type", "Repr-Digest", "Content-Disposition"] {
            #expect(head[name] == file[name])
        }
    }

    @Test(
        "a range gives exactly these bytes",
        arguments: [
            ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=5-", 5, nil), ("bytes=-7", -7, nil),
            ("bytes=20-999999999", 20, nil),
            ("bytes=-999999999", 0, nil), ("bytes=0-18446744073709551615", 0, nil),
        ] as [(String, Int, Int?)])
    func range(field: String, start: Int, end: Int?) async throws {
        let (ada, _, id, file) = try await finished()
        let answer = try await ada.get("/content/export/\(id)/download", headers: [("Range", field)])
        let count = file.body.count
        let from = start < 0 ? count + start : start
        let expected = Array(file.body[from..<(end ?? count)])
        if expected.count == count, answer.status == 200 {
            #expect(answer.body == file.body)
        } else {
            #expect(answer.status == 206)
            #expect(answer.body == expected)
            #expect(answer["Content-Range"] == "bytes \(from)-\((end ?? count) - 1)/\(count)")
            #expect(answer["Content-Length"] == "\(expected.count)")
        }
    }

    @Test("a range outside is 416 with the length, and what is no range is as if it were not there")
    func badRanges() async throws {
        let (ada, _, id, file) = try await finished()
        for field in ["bytes=\(file.body.count)-", "bytes=99999999-", "bytes=-0"] {
            let answer = try await ada.get("/content/export/\(id)/download", headers: [("Range", field)])
            #expect(answer.status == 416)
            #expect(answer["Content-Range"] == "bytes */\(file.body.count)")
        }
        for field in ["bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=", "bytes=-", "bytes=99999999999999999999999999-"] {
            let answer = try await ada.get("/content/export/\(id)/download", headers: [("Range", field)])
            #expect(answer.status == 200 || answer.status == 416)
            if answer.status == 200 { #expect(answer.body == file.body) }
        }
    }

    @Test("a tag that is known costs no bytes; a range of another file is the whole one")
    func conditions() async throws {
        let (ada, _, id, file) = try await finished()
        let path = "/content/export/\(id)/download"
        let tag = try #require(file["ETag"])
        let known = try await ada.get(path, headers: [("If-None-Match", tag)])
        #expect(known.status == 304 && known.body.isEmpty && known["ETag"] == tag)
        #expect(try await ada.get(path, headers: [("If-None-Match", "\"other\", W/\(tag)")]).status == 304)
        #expect(try await ada.get(path, headers: [("If-None-Match", "\"other\"")]).status == 200)
        #expect(try await ada.get(path, headers: [("If-Match", "\"other\"")]).status == 412)
        let same = try await ada.get(path, headers: [("Range", "bytes=0-3"), ("If-Range", tag)])
        #expect(same.status == 206 && same.body == Array(file.body.prefix(4)))
        let other = try await ada.get(path, headers: [("Range", "bytes=0-3"), ("If-Range", "\"other\"")])
        #expect(other.status == 200 && other.body == file.body)
        let weak = try await ada.get(path, headers: [("Range", "bytes=0-3"), ("If-Range", "W/" + tag)])
        #expect(weak.status == 200 && weak.body == file.body)
    }

    @Test("a signed link needs no token, is bound to its path, query and tenant, and ends")
    func link() async throws {
        let (ada, job, id, file) = try await finished()
        let link = try #require(job["downloadUrl"]?.string)
        #expect(job["downloadExpiresAt"]?.string?.hasSuffix("Z") == true)
        let nobody = User.nobody(ada.server)
        let answer = try await nobody.get(link)
        #expect(answer.status == 200 && answer.body == file.body)
        #expect(try await nobody.get(link, headers: [("Range", "bytes=0-3")]).status == 206)
        let other = try #require(try await ada.exported()["jobId"]?.string)
        let tampered = [
            link.replacing(id, with: other), link.replacing("tenant=", with: "tenant=x"),
            link.replacing("expires=", with: "expires=9"),
            link + "&part=1", link.replacing("?", with: "?part=1&"),
            String(link.dropLast(2)) + (link.hasSuffix("AA") ? "BB" : "AA"),
            link.replacing("signature=", with: "signature=&signature="), link + "&tenant=other",
        ]
        for bad in tampered { #expect(try await nobody.get(bad).status == 403, "\(bad)") }
        #expect(try await nobody.get("/content/export/\(id)/download").status == 401)
        #expect(try await nobody.get(link.replacing("/download?", with: "?")).status >= 400, "a link opens the file only")
        let late = try await poll("the end of the link", every: .milliseconds(500)) {
            let answer = try await nobody.get(link)
            return answer.status == 200 ? nil : answer
        }
        #expect(late.status == 410)
        #expect(try late.json()["code"]?.string == "LINK_EXPIRED")
        #expect(try await ada.download(id).body == file.body, "the file itself is still there")
    }

    @Test("an unfinished export has no link and no file")
    func unfinished() async throws {
        let ada = try await sharedServer().slowUser()
        let id = try await ada.slowExport()
        let job = try await ada.job(id)
        let answer = try await ada.get("/content/export/\(id)/download")
        // It may have ended meanwhile; then there is nothing to see here.
        if job["state"]?.string != "completed" {
            #expect(job["downloadUrl"] == nil && job["artifactState"]?.string == "none")
            if answer.status != 200 {
                #expect(answer.status == 409)
                #expect(try answer.json()["state"]?.string != nil)
            }
        }
        _ = try await ada.post("/content/export/\(id)/cancel")
        #expect(try await ada.wait(id)["downloadUrl"] == nil)
    }

    @Test("a file that was taken back is gone, though its job is still there")
    func revoke() async throws {
        let (ada, job, id, _) = try await finished()
        let answer = try await ada.delete("/content/export/\(id)")
        #expect(answer.status == 200)
        #expect(try answer.json()["artifactState"]?.string == "revoked")
        #expect(try answer.json()["state"]?.string == "completed")
        #expect(try answer.json()["downloadUrl"] == nil)
        let gone = try await ada.get("/content/export/\(id)/download")
        #expect(gone.status == 410)
        #expect(try gone.json()["code"]?.string == "ARTIFACT_REVOKED")
        #expect(try await User.nobody(ada.server).get(try #require(job["downloadUrl"]?.string)).status == 410)
        #expect(try await ada.delete("/content/export/\(id)").status == 200, "again is the same")
    }
}
