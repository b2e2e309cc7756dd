/**
 * Markdown as elements. marked only cuts the text into tokens; what is made of them is decided here.
 *
 * HTML in the text is shown as text, images are links, and a link leads to the web, to a mail or within these pages.
 */
import { Lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren, VNode } from "preact";

const allowed = /^(https?:|mailto:|#)/i;

export function Markdown({ text, level = 3 }: { text: string; level?: number }): VNode {
  return <div class="prose">{blocks(new Lexer({ gfm: true }).lex(text), level)}</div>;
}

/** Whether a link may be followed. */
export function isSafe(href: string): boolean {
  // Browsers skip control characters and blanks inside of "java\nscript:".
  return allowed.test(href.replace(/[\u0000-\u0020]/g, ""));
}

function blocks(tokens: Token[], level: number): ComponentChildren[] {
  return tokens.map((token) => block(token, level));
}

function block(token: Token, level: number): ComponentChildren {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading": {
      // Headings of a description stand below those of the page.
      const Heading = `h${Math.min(6, level + (token as Tokens.Heading).depth - 1)}` as "h3";
      return <Heading>{inline(token.tokens)}</Heading>;
    }
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "code":
      return <pre tabindex={0}><code>{token.text}</code></pre>;
    case "blockquote":
      return <blockquote>{blocks(token.tokens ?? [], level)}</blockquote>;
    case "hr":
      return <hr />;
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item) => <li>{item.task ? (item.checked ? "☑ " : "☐ ") : null}{blocks(item.tokens, level)}</li>);
      return list.ordered ? <ol start={Number(list.start) || 1}>{items}</ol> : <ul>{items}</ul>;
    }
    case "table": {
      const table = token as Tokens.Table;
      return (
        <div class="scroll" tabindex={0}>
          <table>
            <thead><tr>{table.header.map((cell) => <th scope="col">{inline(cell.tokens)}</th>)}</tr></thead>
            <tbody>{table.rows.map((row) => <tr>{row.map((cell) => <td>{inline(cell.tokens)}</td>)}</tr>)}</tbody>
          </table>
        </div>
      );
    }
    case "html":
      return <p>{token.raw.trim()}</p>;
    case "checkbox":
      return null;
    default:
      return token.type === "text" ? inline(token.tokens) ?? token.raw : inline([token]);
  }
}

function inline(tokens: Token[] | undefined): ComponentChildren {
  return tokens?.map((token): ComponentChildren => {
    switch (token.type) {
      case "strong":
        return <strong>{inline(token.tokens)}</strong>;
      case "em":
        return <em>{inline(token.tokens)}</em>;
      case "del":
        return <del>{inline(token.tokens)}</del>;
      case "codespan":
        return <code>{token.text}</code>;
      case "br":
        return <br />;
      case "escape":
        return token.text;
      case "link":
        return <Link href={token.href}>{inline(token.tokens)}</Link>;
      case "image":
        return <Link href={token.href}>{token.text || token.href}</Link>;
      case "text":
        return token.tokens ? inline(token.tokens) : unescaped(token.text);
      default:
        return token.raw;
    }
  });
}

function Link({ href, children }: { href: string; children: ComponentChildren }): VNode {
  if (!isSafe(href)) return <>{children}</>;
  return href.startsWith("#") ? <a href={href}>{children}</a> : <a href={href} rel="noopener noreferrer" target="_blank">{children}</a>;
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", nbsp: "\u00a0" };

/** Names of characters that people write in Markdown, as the characters. */
function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => entities[name] ?? "");
}
