// The scripts that teach shells to complete `maestro`: each hands over what was typed and takes lines. What can be decided is
// decided by the command, so that a script once installed stays right.

const bash = `# bash completion of maestro. Keep it with: maestro completion bash > ~/.local/share/bash-completion/completions/maestro
_maestro() {
  local found
  COMPREPLY=()
  while IFS= read -r found; do
    if [[ $found == :files ]]; then
      compopt -o default -o filenames 2>/dev/null || while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -f -- "$2")
    elif [[ -n $found ]]; then
      COMPREPLY+=("$found")
    fi
  done < <("$1" __complete bash -- "$1" "$2" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -F _maestro maestro
`;

const zsh = `#compdef maestro
# zsh completion of maestro. Keep it as _maestro in a folder of $fpath, or: source <(maestro completion zsh)
_maestro() {
  local -a found values notes
  local line
  found=("\${(@f)$("\${words[1]}" __complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${found[@]}"; do
    if [[ $line == :files ]]; then
      _files
    elif [[ -n $line ]]; then
      values+=("\${line%%$'\\t'*}")
      notes+=("\${line/$'\\t'/  -- }")
    fi
  done
  (( \${#values} )) && compadd -l -d notes -a values
}
if [[ \${funcstack[1]} == _maestro ]]; then _maestro "$@"; else compdef _maestro maestro; fi
`;

const fish = `# fish completion of maestro. Keep it with: maestro completion fish > ~/.config/fish/completions/maestro.fish
function __maestro_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in ($program __complete fish -- $words "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c maestro -f -a '(__maestro_complete)'
`;

export const SCRIPTS = { bash, zsh, fish } as const;
export type Shell = keyof typeof SCRIPTS;
export const SHELLS = Object.keys(SCRIPTS) as readonly Shell[];
