// Package rerankd is the Go client of a rerankd server, which puts documents in order by how well each
// one answers a query.
//
//	client, err := rerankd.New("localhost:50051")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
//	response, err := client.Rerank(ctx, "what causes high blood pressure",
//		rerankd.Texts("Too much salt raises it.", "A pump moves water."), nil)
//
// Requests, options and answers are the generated messages of the package rerankdv1; their comments are
// the reference for units, defaults and bounds.
//
// [Client.Rerank] ranks a list, [Client.RerankAll] any number of documents, and [Client.RerankStream]
// tells scores while documents are still read. A stream that a restart or a lost connection interrupts
// goes on by itself, with the same answer as without the interruption.
//
// # Deadlines
//
// A unary call has the deadline of its context, else the one of [WithTimeout], 30 seconds by default. A
// warm-up has 5 minutes. A stream has only the deadline of its context.
//
// # Errors
//
// Every failure of a call is an [*Error]. Compare it with the sentinels, for example [ErrOverloaded], by
// errors.Is. What a [Source] fails with comes out as it is.
package rerankd
