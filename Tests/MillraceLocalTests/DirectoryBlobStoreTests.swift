import MillraceConformance
import MillraceLocal
import MillraceTestSupport
import Testing

@Suite struct DirectoryBlobStoreTests {
    @Test(arguments: BlobStoreConformance.cases)
    func `a directory is a blob store`(_ promise: BlobStoreCase) async throws {
        try await withTemporaryDirectory { folder in
            try await promise.run { try DirectoryBlobStore(root: folder.path) }
        }
    }
}
